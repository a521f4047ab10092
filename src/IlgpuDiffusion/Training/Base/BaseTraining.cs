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
/// goes on where it stood.
public sealed class BaseTraining(BaseRecipe recipe, string dataFolder, string outFolder, Device device, TextWriter log, bool interactive, CancellationToken cancellation = default)
{
    const int SaveEvery = 250;
    const int ReportEvery = 50;
    const int SampleEvery = 1000;

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

    public void Run()
    {
        Directory.CreateDirectory(outFolder);
        PictureSet pictures = MakePictures();
        using AutoencoderKL vae = new(FaceMini.Vae);
        vae.Weights.Allocate(device, "vae");
        using Arena arena = new(device);
        TrainVae(vae, pictures, arena);
        ReportQuality(vae, arena);
        LatentSet latents = Latents(vae, pictures, arena);
        latents.Standardise(vae, vae.ScalingFactor);
        TrainDenoiser(vae, pictures, latents, arena);
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
        vae.Weights.Initialize(recipe.Vae.Seed);
        using AdamW optimizer = Optimizer(vae.Weights, recipe.Vae.LearningRate);
        using Ema average = new(vae.Weights, new EmaSettings { Decay = recipe.EmaDecay });
        VaeTraining training = new(vae, pictures, recipe.Vae, FaceMini.PictureSize);
        Loop("vae", vaeConfig, [new Trainee("vae", optimizer, average)], recipe.Vae.Steps, recipe.Vae.WarmupSteps, arena, training.Loss, _ => { });
        average.Swap(arena);
        arena.Reset();
        vae.Weights.RequireGrad(false);
    }

    void TrainDenoiser(AutoencoderKL vae, PictureSet pictures, LatentSet latents, Arena arena)
    {
        using UNet unet = new(FaceMini.UNet);
        using ClipTextModel text = new(FaceMini.Text);
        unet.Weights.Allocate(device, "unet");
        text.Weights.Allocate(device, "text_encoder");
        unet.Weights.Initialize(recipe.Denoiser.Seed);
        text.Weights.Initialize(recipe.Denoiser.Seed);
        string modelFolder = Path.Combine(outFolder, "model");
        WordVocabulary.FaceMini.Save(Path.Combine(modelFolder, "tokenizer"));
        DiffusionModel model = new(unet, vae, text, Path.Combine(modelFolder, "tokenizer"), FaceMini.Scheduler, device);

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

        Loop(
            "denoiser",
            config,
            [new Trainee("unet", unetOptimizer, unetAverage), new Trainee("text_encoder", textOptimizer, textAverage)],
            recipe.Denoiser.Steps,
            recipe.Denoiser.WarmupSteps,
            arena,
            training.Loss,
            step => WithAverage(() =>
            {
                SampleGrid.Save(model, arena, Path.Combine(outFolder, "samples", $"step-{step:000000}.png"));
                ModelFolder.Save(model, modelFolder, SafetensorsDType.F16);
            }));
    }

    AdamW Optimizer(Weights weights, double learningRate) => new(
        weights,
        new AdamWSettings { LearningRate = learningRate, Beta1 = recipe.Beta1, Beta2 = recipe.Beta2, WeightDecay = recipe.WeightDecay });

    // Runs to the end from wherever the state stands; `milestone` runs every so often and at the end.
    void Loop(
        string name, string settings, IReadOnlyList<Trainee> trainees, int steps, int warmupSteps, Arena arena, Func<Autograd.Tape, long, Tensor> loss, Action<long> milestone)
    {
        string statePath = Path.Combine(outFolder, $"{name}.state.safetensors");
        long start = TrainState.LoadIfThere(statePath, trainees, settings);
        LrSchedule schedule = new(LrCurve.Cosine, 1, warmupSteps, steps);
        // The cosine ends at 3 % instead of zero, so that a longer run can go on from here.
        TrainLoop loop = new(arena, trainees, step => 0.03 + (0.97 * schedule.At((int)step + 1)), recipe.MaxGradNorm);
        using MetricsWriter metrics = new(Path.Combine(outFolder, $"{name}.metrics.jsonl"), start);
        ProgressLine progress = new(log, name, steps, interactive, start);
        double sum = 0;
        for (long step = start; step < steps; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            TrainStep done = loop.Step(step, tape => loss(tape, step));
            sum += done.Loss;
            progress.Report(step + 1, $"loss {done.Loss:0.0000}");
            if ((step + 1) % ReportEvery == 0)
            {
                metrics.Write(step + 1, ("train/loss", sum / ReportEvery), ("grad_norm", done.GradNorm), ("lr", done.LearningRate));
                sum = 0;
            }

            bool last = step + 1 == steps;
            if ((step + 1) % SaveEvery == 0 || last)
                TrainState.Save(statePath, trainees, step + 1, settings);
            if ((step + 1) % SampleEvery == 0 || last)
                milestone(step + 1);
        }
    }
}
