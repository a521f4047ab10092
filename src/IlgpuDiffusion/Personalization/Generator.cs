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
    /// Errors as of <see cref="Personalizer.Run"/>; nothing is left behind by a run that ends early.
    public GenerationRecord Run()
    {
        long start = Stopwatch.GetTimestamp();
        using StagedFolder stage = new(run.Out);
        using Device device = Device.Open(run.Device, run.Threads, run.Conv);
        using DiffusionModel model = ModelFolder.Load(run.Model, device);
        string prompt = run.Subject.Fill(run.Prompt);
        Prompts.Check(model, prompt);
        Prompts.Check(model, run.NegativePrompt);
        using Fold fold = new(model);
        foreach (AdapterUse use in run.Adapters)
            fold.Add(AdapterFile.Load(use.Path, model), use.Weight);

        NormalSource[] noise = [];
        (int[] shape, float[] latents) = run.Latents is { } given ? LatentsFile.Load(given, model.UNet.Config.InChannels) : NewLatents(model, out noise);
        int count = shape[0], each = latents.Length / count;
        TextToImageRequest request = new()
        {
            Prompt = prompt,
            NegativePrompt = run.NegativePrompt,
            Width = shape[3] * model.Vae.Config.Downscale,
            Height = shape[2] * model.Vae.Config.Downscale,
            Steps = run.Sampling.Steps,
            GuidanceScale = run.Sampling.Guidance,
        };
        using Arena arena = new(device);
        TextToImage sampler = new(model, arena);
        List<string> names = [];
        for (int i = 0; i < count; i++)
        {
            IScheduler scheduler = Schedulers.Create(run.Sampling.Scheduler, model.Scheduler);
            scheduler.SetTimesteps(request.Steps);
            float[] picture = Array.ConvertAll(latents[(i * each)..((i + 1) * each)], v => v * scheduler.InitNoiseSigma);
            int before = i * request.Steps;
            sampler.Sample(request, scheduler, picture, (step, _) => Report(before + step + 1, count * request.Steps), noise.Length > 0 ? noise[i] : Source(i));
            names.Add($"{i + 1:00}-{Prompts.Slug(run.Prompt)}.png");
            byte[] pixels = TextToImage.ToBytes(sampler.Decode(picture, request.Height, request.Width));
            ImageFile.SavePng(stage.File(names[^1]), new RgbImage(request.Width, request.Height, pixels));
        }

        if (run.SaveLatents is { } file)
            LatentsFile.Save(file, shape, latents);
        stage.Commit();
        double seconds = Math.Round(Stopwatch.GetElapsedTime(start).TotalSeconds, 3);
        return new GenerationRecord(run, [.. names.Select(name => Path.Combine(run.Out, name))], seconds, PeakMemory.Bytes());
    }

    // (N, L, h, w), each from a source of its own, which a stochastic sampler then goes on with.
    (int[] Shape, float[] Values) NewLatents(DiffusionModel model, out NormalSource[] sources)
    {
        int downscale = model.Vae.Config.Downscale, own = (model.UNet.Config.SampleSize ?? 64) * downscale, channels = model.UNet.Config.InChannels;
        int width = run.Width ?? own, height = run.Height ?? own, multiple = downscale << (model.UNet.Config.BlockOutChannels.Length - 1);
        if (width % multiple != 0 || height % multiple != 0)
            throw new IlgdException($"a picture of {width} x {height}: width and height must be multiples of {multiple} for this model");
        int[] shape = [run.Count, channels, height / downscale, width / downscale];
        int each = shape[1] * shape[2] * shape[3];
        float[] latents = new float[run.Count * each];
        sources = [.. Enumerable.Range(0, run.Count).Select(Source)];
        for (int i = 0; i < run.Count; i++)
        {
            Span<float> noise = latents.AsSpan(i * each, each);
            sources[i](noise);
            if (run.Rng == NoiseKind.Philox)
                ChannelOrder.ToFirst(noise.ToArray(), 1, channels).CopyTo(noise);
        }

        return (shape, latents);
    }

    NormalSource Source(int index) => run.Rng == NoiseKind.Torch ? new TorchGenerator(run.Seed + (ulong)index).Randn : new PictureNoise(run.Seed, index).Fill;

    void Report(long done, long total)
    {
        cancellation.ThrowIfCancellationRequested();
        progress?.Invoke(new PhaseProgress("pictures", done, total));
    }
}
