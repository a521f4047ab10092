using System.Diagnostics;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Diagnostics;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tensors.Rng;

namespace IlgpuDiffusion.Personalization;

/// The whole of `ilgd generate`: a model, adapters folded into it, pictures for one prompt.
public sealed class Generator(GenerationRun run, Action<PhaseProgress>? progress = null, CancellationToken cancellation = default)
{
    /// Who is told what the run's device does; null where nobody looks.
    public IDeviceObserver? Observer { get; init; }

    /// Errors as of <see cref="Personalizer.Run"/>; nothing is left behind by a run that ends early.
    public GenerationRecord Run()
    {
        long start = Stopwatch.GetTimestamp();
        using StagedFolder stage = new(run.Out);
        using Device device = Device.Open(run.Device, run.Threads, run.Conv, Observer);
        using DiffusionModel model = ModelFolder.Load(run.Model, device, run.Variant, run.ModelConfig);
        run = run with { Sampling = run.Sampling.For(model) };
        using Fold fold = new(model);
        List<string> put = [];
        foreach (AdapterUse use in run.Adapters)
            put.Add(Put(use, model, fold));
        string prompt = run.Subject.Fill(run.Prompt);
        Prompts.Check(model, prompt);
        Prompts.Check(model, run.NegativePrompt);

        (int[] shape, float[] first)? given = run.Latents is { } file ? LatentsFile.Load(file, model.UNet.Config.InChannels) : null;
        int downscale = model.Vae.Config.Downscale, own = (model.UNet.Config.SampleSize ?? 64) * downscale;
        int width = given?.shape[3] * downscale ?? run.Width ?? own, height = given?.shape[2] * downscale ?? run.Height ?? own;
        using Arena arena = new(device);
        PictureSampler sampler = new(model, arena, run.Sampling, run.Subject, width, height, run.NegativePrompt);
        int[] shape = given?.shape ?? [run.Count, .. sampler.LatentShape[1..]];
        NormalSource[] sources = [.. Enumerable.Range(0, shape[0]).Select(i => Source(i, shape[1]))];
        StartingNoise noise = given is { first: var latents } ? new StartingNoise(latents, sources) : StartingNoise.Draw(sources, shape[1] * shape[2] * shape[3]);
        string[] prompts = [.. Enumerable.Repeat(prompt, shape[0])];
        RgbImage[] pictures = sampler.Decode(sampler.Latents(prompts, noise, fold.IsEmpty ? null : fold, Report));
        List<string> names = [];
        foreach (RgbImage picture in pictures)
        {
            names.Add($"{names.Count + 1:00}-{Prompts.Slug(run.Prompt)}.png");
            ImageFile.SavePng(stage.File(names[^1]), picture);
        }

        if (run.SaveLatents is { } saved)
            LatentsFile.Save(saved, shape, noise.Latents);
        stage.Commit();
        double seconds = Math.Round(Stopwatch.GetElapsedTime(start).TotalSeconds, 3);
        return new GenerationRecord(run, put, [.. names.Select(name => Path.Combine(run.Out, name))], seconds, PeakMemory.Bytes());
    }

    // Adds an adapter or new words to the model; says what it did.
    static string Put(AdapterUse use, DiffusionModel model, Fold fold)
    {
        if (TextualInversion.Is(use.Path))
        {
            if (use.Weight != 1)
                throw new IlgdException($"{use.Path}: new words have no strength; give the file without :{use.Weight}");
            TextualInversion words = TextualInversion.Load(use.Path, model.TextEncoder.Config.HiddenSize);
            words.AddTo(model);
            return $"{use.Path}: textual inversion, the word {words.Token} of {words.Vectors} vectors";
        }

        AdapterFile file = AdapterFile.Load(use.Path, model);
        fold.Add(file, use.Weight);
        return $"{use.Path}: {file.Dialect}, {file.Modules.Count} of {file.Modules.Count} modules matched";
    }

    // Of picture i, in draws of (L, h, w).
    NormalSource Source(int i, int channels) => run.Rng == NoiseKind.Torch ? new TorchGenerator(run.Seed + (ulong)i).Randn : new PictureNoise(run.Seed, i, channels).Fill;

    void Report(int done, int total)
    {
        cancellation.ThrowIfCancellationRequested();
        progress?.Invoke(new PhaseProgress("pictures", done, total));
    }
}
