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
public sealed class Generator(GenerationRun run, Action<PhaseProgress>? progress = null, Action<MemoryPlan>? planned = null, CancellationToken cancellation = default)
{
    /// Errors as of <see cref="Personalizer.Run"/>; nothing is left behind by a run that ends early.
    public GenerationRecord Run()
    {
        long start = Stopwatch.GetTimestamp();
        using StagedFolder stage = new(run.Out);
        MemoryPlan plan = GenerationPlan.Of(run);
        planned?.Invoke(plan);
        using Device device = Device.Open(run.Device, run.Threads, run.Conv);
        using DiffusionModel model = ModelFolder.Load(run.Model, device, run.Variant, run.ModelConfig);
        run = run with { Sampling = run.Sampling.For(model) };
        using Fold fold = new(model, keep: run.NeedsBase);
        List<string> put = [];
        foreach (AdapterUse use in run.Adapters)
            put.Add(Put(use, model, fold));
        foreach (string prompt in run.Prompts)
            Prompts.Check(model, run.Subject.Fill(prompt));
        Prompts.Check(model, run.NegativePrompt);

        (int[] Shape, float[] First)? given = run.Latents is { } file ? LatentsFile.Load(file, model.UNet.Config.InChannels) : null;
        int downscale = model.Vae.Config.Downscale;
        (int width, int height) = given is { } g ? (g.Shape[3] * downscale, g.Shape[2] * downscale) : run.Size(model);
        using Arena arena = new(device);
        PictureSampler sampler = new(model, arena, run.Sampling, run.Subject, width, height, run.NegativePrompt, plan.Settings);
        string[] prompts = PromptOfEach(given?.Shape[0]);
        int[] shape = [prompts.Length, .. sampler.LatentShape[1..]];
        NormalSource[] sources = [.. Enumerable.Range(0, shape[0]).Select(i => Source(i, shape[1]))];
        StartingPicture? picture = run.Image is { } image
            ? StartingPicture.Encode(model, arena, Photo.Fit(ImageFile.Load(image), width, height), run.Strength, sources, plan.Settings)
            : null;
        StartingNoise noise = given is { First: var latents } ? new StartingNoise(latents, sources) : StartingNoise.Draw(sources, shape[1] * shape[2] * shape[3]);
        RgbImage[] pictures = sampler.Decode(sampler.Latents(prompts, noise, fold.IsEmpty || !run.NeedsBase ? null : fold, Report, picture));
        List<string> names = [];
        for (int i = 0; i < pictures.Length; i++)
        {
            names.Add($"{i + 1:00}-{Prompts.Slug(prompts[i])}.png");
            ImageFile.SavePng(stage.File(names[^1]), pictures[i]);
        }

        if (run.SaveLatents is { } saved)
            LatentsFile.Save(saved, shape, noise.Latents);
        stage.Commit();
        double seconds = Math.Round(Stopwatch.GetElapsedTime(start).TotalSeconds, 3);
        return new GenerationRecord(run, put, [.. names.Select(name => Path.Combine(run.Out, name))], seconds, plan, PeakMemory.Bytes());
    }

    // The prompt of each picture: `Count` of each, or of one as many as latents are given.
    string[] PromptOfEach(int? latents)
    {
        string[] prompts = [.. run.Prompts.SelectMany(prompt => Enumerable.Repeat(prompt, latents is { } n && run.Prompts.Count == 1 ? n : run.Count))];
        return latents is null || latents == prompts.Length
            ? prompts
            : throw new IlgdException($"{run.Latents}: holds the noise of {latents} pictures; {run.Prompts.Count} prompts of {run.Count} pictures need {prompts.Length}");
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
