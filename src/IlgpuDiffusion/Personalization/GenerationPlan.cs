using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Personalization;

/// The memory of <see cref="Generator"/>: its parts, with one step of each.
static class GenerationPlan
{
    public static MemoryPlan Of(GenerationRun run) => MemoryPlan.Of(
        run.MemoryBudget, run.Device, run.Conv, device => ModelFolder.Load(run.Model, device, run.Variant, run.ModelConfig), (model, memory, phases) => GoThrough(run, model, memory, phases));

    static void GoThrough(GenerationRun run, DiffusionModel model, MemorySettings memory, MemoryPhases phases)
    {
        int downscale = model.Vae.Config.Downscale;
        int[]? given = run.Latents is { } file ? LatentsFile.Load(file, model.UNet.Config.InChannels).Shape : null;
        (int width, int height) = given is null ? run.Size(model) : (given[3] * downscale, given[2] * downscale);
        using Arena arena = new(model.Device);
        PictureSampler sampler = new(model, arena, run.Sampling with { Scheduler = "ddim", Steps = 1 }, run.Subject, width, height, run.NegativePrompt, memory);
        int[] shape = sampler.LatentShape;
        int each = shape[1] * shape[2] * shape[3], count = given?[0] ?? run.Prompts.Count * run.Count;
        (string, long) pictures = ("pictures", count * ((3L * each * sizeof(float)) + (3L * width * height))), originals = ("layers without adapters", Originals(run, model));
        if (run.Image is not null)
            phases.Add("image", MemoryUse.Autoencoder, () => Photo.Encode(model, arena, new RgbImage(width, height), memory), originals);

        string[] prompts = [.. Enumerable.Repeat(run.Prompts[0], Math.Min(count, sampler.AtOnce))];
        StartingNoise noise = StartingNoise.Of(run.Seed, prompts.Length, shape[1], each);
        float[] drawn = phases.Add("pictures", MemoryUse.Sampling, () => sampler.Latents(prompts, noise), pictures, originals);
        phases.Add("decode", MemoryUse.Autoencoder, () => sampler.Decode(drawn.AsSpan(0, each).ToArray()), pictures, originals);
    }

    // Of every layer that an adapter changes the form without it, on the host.
    static long Originals(GenerationRun run, DiffusionModel model)
    {
        if (!run.NeedsBase)
            return 0;
        IReadOnlyDictionary<string, Parameter> layers = AdapterFile.Layers(model);
        IEnumerable<string> changed = run.Adapters.Where(a => !TextualInversion.Is(a.Path)).SelectMany(a => LidbFile.Is(a.Path)
            ? AdapterTarget.Of(model.UNet.Weights, model.TextEncoder.Weights).Select(t => t.Path)
            : AdapterFile.Read(a.Path).Modules.Select(m => m.Path));
        return changed.Distinct().Where(layers.ContainsKey).Sum(path => layers[path].Shape.Count * sizeof(float));
    }
}
