using System.Text.Json;
using System.Text.Json.Nodes;
using IlgpuDiffusion.Data;
using IlgpuDiffusion.Data.World;
using IlgpuDiffusion.Diagnostics;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Training.Base;

/// Trains face-mini from nothing: pictures, autoencoder, latents, then UNet and text encoder together. The folder holds the state of each run
/// (`vae.state.safetensors`, `denoiser.state.safetensors`), metrics.jsonl, sample grids, and in `model/` the diffusers folder. A run that was cut off
/// goes on where it stood. `recipe.From` starts from an earlier model instead: its autoencoder stays as it is, UNet and text encoder are trained on.
public sealed class BaseTraining(BaseRecipe recipe, string dataFolder, string outFolder, Device device, TextWriter log, bool interactive, CancellationToken cancellation = default)
{
    // The autoencoder and its latents depend on everything but the denoiser's settings, which may change without training it again.
    readonly string vaeConfig = Json(recipe, nameof(BaseRecipe.Denoiser));
    readonly string config = Json(recipe);

    static string Json(BaseRecipe recipe, params string[] without)
    {
        JsonObject json = JsonSerializer.SerializeToNode(recipe)!.AsObject();
        foreach (string key in without)
            json.Remove(key);
        return json.ToJsonString();
    }

    readonly PhotoSet photos = PhotoSet.Load(dataFolder);
    readonly TrainingRun run = new(outFolder, log, interactive, cancellation);

    public void Run()
    {
        Directory.CreateDirectory(outFolder);
        PictureSet pictures = MakePictures();
        using DiffusionModel model = recipe.From is { } folder ? Earlier(folder) : Fresh();
        using Arena arena = new(device);
        if (recipe.From is null)
            TrainVae(model.Vae, pictures, arena);
        model.Vae.Weights.RequireGrad(false);
        ReportQuality(model.Vae, arena);
        LatentSet latents = Latents(model.Vae, pictures, arena);
        // An earlier model's autoencoder has been through this.
        if (recipe.From is null)
            latents.Standardise(model.Vae, model.Vae.ScalingFactor);
        TrainDenoiser(model, pictures, latents, arena);
    }

    string ModelOut => Path.Combine(outFolder, "model");

    DiffusionModel Fresh()
    {
        string tokenizer = Path.Combine(ModelOut, "tokenizer");
        WordVocabulary.FaceMini.Save(tokenizer);
        DiffusionModel model = new(new UNet(FaceMini.UNet), new AutoencoderKL(FaceMini.Vae), new ClipTextModel(FaceMini.Text), tokenizer, FaceMini.Scheduler, device);
        model.UNet.Weights.Allocate(device, "unet");
        model.Vae.Weights.Allocate(device, "vae");
        model.TextEncoder.Weights.Allocate(device, "text_encoder");
        model.Vae.Weights.Initialize(recipe.Vae.Seed);
        model.UNet.Weights.Initialize(recipe.Denoiser.Seed);
        model.TextEncoder.Weights.Initialize(recipe.Denoiser.Seed);
        return model;
    }

    DiffusionModel Earlier(string folder)
    {
        DiffusionModel model = ModelFolder.Load(folder, device);
        if (LatentSet.Of(model.Vae, FaceMini.PictureSize)[0] == FaceMini.UNet.SampleSize && model.TextEncoder.Config.VocabSize == FaceMini.Text.VocabSize)
            return model;
        model.Dispose();
        throw new IlgdException($"{folder}: not a face-mini: training goes on from a model of {FaceMini.UNet.SampleSize}×{FaceMini.UNet.SampleSize} latents and {FaceMini.Text.VocabSize} tokens only");
    }

    // On people that no training sees.
    void ReportQuality(AutoencoderKL vae, Arena arena)
    {
        const int people = 64;
        TrainingPicture[] drawn =
        [
            .. Enumerable.Range(0, people).Select(i => FaceRenderer.Render(
                FaceIdentity.Sample(WorldDataset.HeldOutSeed(i)), FaceNuisance.Plain, new FaceContext(), FaceMini.PictureSize)).Select(rgb => new TrainingPicture(Bytes(rgb), "", false)),
        ];
        log.WriteLine($"autoencoder, PSNR on {people} held-out drawn people: {VaeQuality.Psnr(vae, arena, drawn, FaceMini.PictureSize):0.0} dB");
        TrainingPicture[] real =
        [
            .. photos.HeldOut.Select(photo => new TrainingPicture(
                Bytes(Resample.Resize(photo.Rgb, PhotoSet.MasterSize, PhotoSet.MasterSize, 3, FaceMini.PictureSize, FaceMini.PictureSize, ResampleFilter.Box)), "", true)),
        ];
        log.WriteLine($"autoencoder, PSNR on {real.Length} photographs of held-out people: {VaeQuality.Psnr(vae, arena, real, FaceMini.PictureSize):0.0} dB");
    }

    LatentSet Latents(AutoencoderKL vae, PictureSet pictures, Arena arena)
    {
        string path = Path.Combine(outFolder, "latents.safetensors");
        if (LatentSet.LoadIfThere(path, LatentSet.Of(vae, FaceMini.PictureSize), vaeConfig) is { } saved)
            return saved;
        ProgressLine progress = new(log, "encoding", pictures.Count, interactive);
        LatentSet latents = LatentSet.Encode(vae, arena, pictures, FaceMini.PictureSize, done => progress.Report(done));
        latents.Save(path, vaeConfig);
        return latents;
    }

    PictureSet MakePictures()
    {
        log.WriteLine($"rendering {recipe.DrawnPictures} drawn and {recipe.RealPictures} real pictures");
        WorldDataset world = new(recipe.Identities, FaceMini.PictureSize);
        TrainingPicture[] drawn = new TrainingPicture[recipe.DrawnPictures];
        Parallel.For(0, drawn.Length, i =>
        {
            WorldSample sample = world.Sample(i, recipe.PictureSeed);
            drawn[i] = new TrainingPicture(Bytes(sample.Image), sample.Caption, Real: false);
        });

        PhotoDataset photographs = new(photos.Training, FaceMini.PictureSize);
        TrainingPicture[] real = new TrainingPicture[recipe.RealPictures];
        Parallel.For(0, real.Length, i =>
        {
            PhotoSample sample = photographs.Sample(i, recipe.PictureSeed);
            real[i] = new TrainingPicture(Bytes(sample.Image), sample.Caption, Real: true);
        });
        return new PictureSet(drawn, real);
    }

    static byte[] Bytes(float[] rgb) => Array.ConvertAll(rgb, v => (byte)Math.Clamp((v * 255) + 0.5f, 0, 255));

    void TrainVae(AutoencoderKL vae, PictureSet pictures, Arena arena)
    {
        using AdamW optimizer = Optimizer(vae.Weights, recipe.Vae.LearningRate);
        using Ema average = new(vae.Weights, new EmaSettings { Decay = recipe.EmaDecay });
        VaeTraining training = new(vae, pictures, recipe.Vae, FaceMini.PictureSize);
        run.Train(
            new TrainingPlan("vae", vaeConfig, recipe.Vae.Steps, recipe.Vae.WarmupSteps) { MaxGradNorm = recipe.MaxGradNorm },
            [new Trainee("vae", optimizer, average)],
            arena,
            training.Loss);
        average.Swap(arena);
        arena.Reset();
    }

    void TrainDenoiser(DiffusionModel model, PictureSet pictures, LatentSet latents, Arena arena)
    {
        UNet unet = model.UNet;
        ClipTextModel text = model.TextEncoder;
        using AdamW unetOptimizer = Optimizer(unet.Weights, recipe.Denoiser.LearningRate), textOptimizer = Optimizer(text.Weights, recipe.Denoiser.LearningRate);
        EmaSettings averaging = new() { Decay = recipe.EmaDecay };
        using Ema unetAverage = new(unet.Weights, averaging), textAverage = new(text.Weights, averaging);
        DenoiserTraining training = new(
            unet, text, new NoiseSchedule(FaceMini.Scheduler), pictures, latents, caption => WordVocabulary.FaceMini.Encode(caption), recipe.Denoiser);

        void WithAverage(Action action)
        {
            unetAverage.Swap(arena);
            textAverage.Swap(arena);
            arena.Reset();
            action();
            unetAverage.Swap(arena);
            textAverage.Swap(arena);
            arena.Reset();
        }

        run.Train(
            new TrainingPlan("denoiser", config, recipe.Denoiser.Steps, recipe.Denoiser.WarmupSteps) { MaxGradNorm = recipe.MaxGradNorm },
            [new Trainee("unet", unetOptimizer, unetAverage), new Trainee("text_encoder", textOptimizer, textAverage)],
            arena,
            training.Loss,
            step =>
            {
                WithAverage(() =>
                {
                    SampleGrid.Save(model, arena, Path.Combine(outFolder, "samples", $"step-{step:000000}.png"));
                    ModelFolder.Save(model, ModelOut, SafetensorsDType.F16);
                });
                return [];
            });
    }

    AdamW Optimizer(Weights weights, double learningRate) => new(
        weights,
        new AdamWSettings { LearningRate = learningRate, Beta1 = recipe.Beta1, Beta2 = recipe.Beta2, WeightDecay = recipe.WeightDecay });
}
