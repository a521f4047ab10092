using System.Diagnostics;
using System.Text;
using System.Text.Json;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Diagnostics;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Training;

namespace IlgpuDiffusion.Personalization;

/// How far a phase of a run is.
public readonly record struct PhaseProgress(string Phase, long Done, long Total, string Note = "");

/// The whole of `ilgd personalize`: a photo becomes a latent, the model is finetuned on it, and pictures for prompts are drawn before and after from
/// the same noise. Nothing is in the out folder before everything is done.
public sealed class Personalizer(PersonalizationRun run, Action<PhaseProgress>? progress = null, CancellationToken cancellation = default)
{
    const string PriorPhase = "class pictures", BeforePhase = "pictures before", TrainPhase = "finetuning", AfterPhase = "pictures after";

    readonly List<(string Phase, double Seconds)> seconds = [];

    /// Who is told what the run's device does; null where nobody looks.
    public IDeviceObserver? Observer { get; init; }

    /// Gets the memory plan before memory is asked for.
    public Action<MemoryPlan>? Planned { get; init; }

    /// Errors: an unreadable photo or model, a prompt that is too long, a folder that cannot be written: <see cref="IlgdException"/>.
    /// OperationCanceledException when cancelled; nothing is left then either.
    public RunRecord Run()
    {
        if (run.SaveModel && run.Method.Trains == Trains.TextualInversion)
            throw new IlgdException($"method '{run.Method.Name}' changes no weight of the model, so there is none to save: leave --save-model out, what is learned is learned_embeds.safetensors");
        using StagedFolder stage = new(run.Out);
        RgbImage face = Timed("read photo", () => Photo.Face(run.Photo, run.Crop));
        MemoryPlan plan = Timed("plan memory", () => PersonalizationPlan.Of(run));
        Planned?.Invoke(plan);
        using Device device = Device.Open(run.Device, run.Threads, run.Conv, Observer, run.Graphs);
        using DiffusionModel model = Timed("load model", () => ModelFolder.Load(run.Model, device, run.Variant, run.ModelConfig));
        run = run with { Sampling = run.Sampling.For(model), Method = run.Method.For(model) };
        foreach (string prompt in run.Prompts)
            Prompts.Check(model, run.Subject.Fill(prompt));
        Prompts.Check(model, run.Subject.InstancePrompt);
        string baseHash = LidbFile.BaseHash(model);

        int size = (model.UNet.Config.SampleSize ?? 64) * model.Vae.Config.Downscale;
        using Arena arena = new(device);
        RgbImage photo = Photo.Fit(face, size);
        (float[] latent, Shape shape) = Timed("encode photo", () => Photo.Encode(model, arena, photo, plan.Settings));
        float[]? mask = Photo.Mask(run.Mask, run.Photo, run.Crop, shape);
        PredictedUpdate? prediction = run.Method.Prediction == PredictionUse.None ? null : Timed("predict", () => Predict(model, arena, photo));
        float[][] others = [.. run.Others.Select(other => Photo.Encode(model, arena, Photo.Fit(Photo.Face(other, null), size), plan.Settings).Latent)];
        PictureSampler sampler = new(model, arena, run.Sampling, run.Subject, size, size, memory: plan.Settings);
        double before = 0, after = 0;
        double[] othersBefore = [], othersAfter = [];
        Timed("loss before", () => (before, othersBefore) = Losses(model, arena, latent, others, shape));
        RgbImage[] without = Timed(BeforePhase, () => Draw(sampler, BeforePhase, null));
        float[] prior = run.Method.PriorPairs == 0 ? [] : Timed(PriorPhase, () => ClassLatents(sampler, shape));

        using Finetuning finetuning = new(model, run.Method, run.Subject, latent, prior, shape, run.Seed, arena, prediction, plan.Settings, mask);
        IReadOnlyList<double> losses = Timed(TrainPhase, () => finetuning.Run(Trained));
        arena.Release();
        Timed("loss after", () => (after, othersAfter) = Losses(model, arena, latent, others, shape));
        RgbImage[] with = Timed(AfterPhase, () => Draw(sampler, AfterPhase, finetuning));

        PersonalizationOutput output = new(run, stage)
        {
            Photo = photo,
            ThroughAutoencoder = sampler.Decode(ChannelOrder.ToFirst(latent, 1, shape[2]))[0],
            Without = without,
            With = with,
            Losses = losses,
            PhotoLossBefore = before,
            PhotoLossAfter = after,
            OthersLossBefore = othersBefore,
            OthersLossAfter = othersAfter,
        };
        ModelSizes sizes = ModelSizes.Of(model, run.Method, Saved(finetuning), prediction);
        Timed("write", () => Write(output, finetuning, prediction, model, arena, baseHash));
        output.WriteReport(seconds, sizes);
        RunRecord record = new()
        {
            Settings = run,
            Machine = RunMachine.Of(device, run.Threads),
            PictureSize = size,
            BaseSha256 = baseHash,
            TrainedParameters = finetuning.TrainedParameters,
            Sizes = sizes,
            Seconds = seconds.ToDictionary(p => p.Phase, p => Math.Round(p.Seconds, 3)),
            Memory = plan,
            PeakMemoryBytes = PeakMemory.Bytes(),
            Loss = losses,
            PhotoLossBefore = before,
            PhotoLossAfter = after,
            OthersLossBefore = othersBefore,
            OthersLossAfter = othersAfter,
            Files = output.Files.ToDictionary(f => f.File, f => f.Bytes),
        };
        AtomicFile.Write(stage.File("run.json"), stream => stream.Write(Encoding.UTF8.GetBytes(record.ToJson())));
        cancellation.ThrowIfCancellationRequested();
        stage.Commit();
        return record;
    }

    (double Own, double[] Others) Losses(DiffusionModel model, Arena arena, float[] latent, float[][] others, Shape shape)
    {
        double Of(float[] photo) => PhotoLoss.Measure(model, arena, photo, shape, run.Subject.InstancePrompt);
        return (Of(latent), Array.ConvertAll(others, Of));
    }

    // Before finetuning without the person's name, after it with.
    RgbImage[] Draw(PictureSampler sampler, string phase, Finetuning? after)
    {
        string[] prompts = [.. run.Prompts.Select(prompt => after is null ? run.Subject.Without(prompt) : prompt)];
        return sampler.Decode(sampler.Latents(prompts, Noise(sampler, run.Seed, prompts.Length), after?.Adaptation, (done, total) => Report(phase, done, total)));
    }

    PredictedUpdate Predict(DiffusionModel model, Arena arena, RgbImage photo)
    {
        string folder = run.Hypernetwork
            ?? throw new IlgdException($"method '{run.Method.Name}' starts from a prediction and the model has no {PersonPredictor.FolderName} folder: name one with --hypernetwork DIR, or take --method {Method.NoHyper.Name}");
        using PersonPredictor predictor = PersonPredictor.Load(folder, model);
        return predictor.Update(arena, photo, run.Method.Refinements);
    }

    // What was trained, and beside it in an adapter what was predicted and stayed.
    static long Saved(Finetuning finetuning) => finetuning.TrainedParameters
        + (finetuning.Adapter?.Adapters.OfType<RelaxedLora>().Sum(relaxed => relaxed.PredictedDown.Shape.Count + relaxed.PredictedUp.Shape.Count) ?? 0);

    // Class pictures of the model as it is, never decoded: what prior preservation holds it to. Their seed is their own, or the first would be drawn twice.
    float[] ClassLatents(PictureSampler sampler, Shape shape)
    {
        string[] prompts = [.. Enumerable.Repeat(run.Subject.ClassPrompt, run.Method.PriorPictures)];
        float[] latents = sampler.Latents(prompts, Noise(sampler, run.Seed + 1, prompts.Length), progress: (done, total) => Report(PriorPhase, done, total));
        return ChannelOrder.ToLast(latents, prompts.Length, shape[2]);
    }

    static StartingNoise Noise(PictureSampler sampler, ulong seed, int pictures)
    {
        int[] shape = sampler.LatentShape;
        return StartingNoise.Of(seed, pictures, shape[1], shape[1] * shape[2] * shape[3]);
    }

    void Trained(TrainStep step) => Report(TrainPhase, step.Step + 1, run.Method.Steps, $"loss {step.Loss:0.0000}");

    void Write(PersonalizationOutput output, Finetuning finetuning, PredictedUpdate? prediction, DiffusionModel model, Arena arena, string baseHash)
    {
        output.WritePictures();
        if (finetuning.Adapter is { } adapter)
        {
            AdapterWriter.Write(
                output.Stage.File(PersonalizationOutput.AdapterName), AdapterDialect.Kohya, AdapterFile.ModulesOf(adapter, arena),
                run.Metadata ? Metadata(model, baseHash, output.Photo.Width) : []);
            if (run.Method.Trains == Trains.Lidb)
            {
                LidbFile.Save(
                    output.Stage.File("lidb.safetensors"), adapter, run.Method.A, run.Method.B, run.Method.Rank, Finetuning.LidbSeed, baseHash);
            }
        }

        if (prediction is not null)
            WritePrediction(output.Stage.File("prediction.safetensors"), prediction, baseHash);
        if (finetuning.Words is { } words)
            new TextualInversion("", $"<{run.Subject.Identifier}>", words.Rows.Length / words.Ids.Count, words.Rows).Save(output.Stage.File("learned_embeds.safetensors"));
        if (run.SaveModel)
        {
            using Fold fold = new(model, keep: false);
            if (finetuning.Adapter is not null)
                fold.Add(AdapterFile.Load(output.Stage.File(PersonalizationOutput.AdapterName), model));
            ModelFolder.Save(model, output.Stage.File("model"));
        }
    }

    // The person as the hypernetwork sees them: a + b numbers a layer.
    static void WritePrediction(string path, PredictedUpdate prediction, string baseHash)
    {
        SafetensorsWriter writer = new();
        writer.Metadata["lidb_base_sha256"] = baseHash;
        writer.Add(LidbFile.Theta, [prediction.Targets.Count, prediction.Theta.Length / prediction.Targets.Count], prediction.Theta);
        writer.Write(path);
    }

    // Where browsers of LoRA files look for trigger words: captions and how often, under a folder's name as kohya wants it. The folder is not ours but what it would be called.
    string TagFrequency() => JsonSerializer.Serialize(
        new Dictionary<string, Dictionary<string, int>> { [$"1_{run.Subject.Identifier} {run.Subject.ClassNoun}"] = new() { [run.Subject.InstancePrompt] = 1 } });

    // What other programs show of a LoRA. No paths and no prompts: the file is given away.
    IEnumerable<(string Key, string Value)> Metadata(DiffusionModel model, string baseHash, int size) =>
    [
        ("ss_optimizer", "AdamW"),
        ("ss_learning_rate", $"{run.Method.Optimizer.LearningRate}"),
        ("ss_unet_lr", $"{run.Method.Optimizer.LearningRate}"),
        ("ss_text_encoder_lr", $"{run.Method.Optimizer.LearningRate}"),
        ("ss_lr_scheduler", "constant_with_warmup"),
        ("ss_lr_warmup_steps", $"{run.Method.WarmupSteps}"),
        ("ss_max_train_steps", $"{run.Method.Steps}"),
        ("ss_steps", $"{run.Method.Steps}"),
        ("ss_num_train_images", "1"),
        ("ss_tag_frequency", TagFrequency()),
        ("ss_num_reg_images", $"{(run.Method.PriorPairs > 0 ? run.Method.PriorPictures : 0)}"),
        ("ss_prior_loss_weight", $"{run.Method.PriorWeight}"),
        ("ss_loss_type", "l2"),
        ("ss_mixed_precision", "no"),
        ("ss_resolution", $"({size}, {size})"),
        ("ss_seed", $"{run.Seed}"),
        .. LossMetadata(model),
        ("modelspec.sai_model_spec", "1.0.1"),
        ("modelspec.architecture", "stable-diffusion-v1/lora"),
        ("modelspec.implementation", "diffusers"),
        ("modelspec.title", $"{run.Subject.Identifier} {run.Subject.ClassNoun}"),
        ("modelspec.resolution", $"{size}x{size}"),
        ("modelspec.trigger_phrase", run.Subject.Identifier),
        ("modelspec.prediction_type", model.Scheduler.PredictionType == PredictionType.V ? "v" : "epsilon"),
        ("ilgd_version", RunMachine.Version),
        ("ilgd_seed", $"{run.Seed}"),
        ("ilgd_base_sha256", baseHash),
        ("ilgd_config", JsonSerializer.Serialize(run.Method, RunRecord.Json)),
    ];

    // By the keys of kohya's trainer, where it has one.
    IEnumerable<(string Key, string Value)> LossMetadata(DiffusionModel model)
    {
        ILossWeighting? weighting = LossWeightings.Create(run.Method.LossWeighting, run.Method.MinSnrGamma, model.Scheduler.PredictionType);
        if (weighting is MinSnr { Gamma: var gamma })
            yield return ("ss_min_snr_gamma", $"{gamma}");
        if (weighting is Debiased)
            yield return ("ss_debiased_estimation", "True");
        if (run.Method.NoiseOffset > 0)
            yield return ("ss_noise_offset", $"{run.Method.NoiseOffset}");
        if (run.Method.InputPerturbation > 0)
            yield return ("ss_ip_noise_gamma", $"{run.Method.InputPerturbation}");
        if (run.Mask is not null)
            yield return ("ss_masked_loss", "True");
    }

    void Report(string phase, long done, long total, string note = "")
    {
        cancellation.ThrowIfCancellationRequested();
        progress?.Invoke(new PhaseProgress(phase, done, total, note));
    }

    T Timed<T>(string phase, Func<T> work)
    {
        T result = default!;
        Timed(phase, () => { result = work(); });
        return result;
    }

    void Timed(string phase, Action work)
    {
        cancellation.ThrowIfCancellationRequested();
        long start = Stopwatch.GetTimestamp();
        work();
        seconds.Add((phase, Stopwatch.GetElapsedTime(start).TotalSeconds));
    }
}
