using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Personalization;

/// An adapter file and how strongly it is put on; 1 is as it was trained.
public readonly record struct AdapterUse(string Path, float Weight);

/// Where a picture's first noise comes from.
public enum NoiseKind
{
    /// This program's own: picture i has the noise that `personalize` has for its prompt i.
    Philox,

    /// torch's CPU generator, as diffusers draws; picture i is of seed + i.
    Torch,
}

/// All settings of `ilgd generate`.
public sealed record GenerationRun
{
    /// A folder in diffusers' layout, or a single-file checkpoint.
    public required string Model { get; init; }

    /// Of the weights files: fp16 takes `*.fp16.safetensors` where a component has it.
    public string? Variant { get; init; }

    /// For a single-file checkpoint: the folder that configs and tokenizer come from.
    public string? ModelConfig { get; init; }

    /// `[V]` in them becomes the subject's identifier.
    public required IReadOnlyList<string> Prompts { get; init; }

    public string NegativePrompt { get; init; } = "";

    public Subject Subject { get; init; } = new();

    /// All of them at once: their updates add up.
    public IReadOnlyList<AdapterUse> Adapters { get; init; } = [];

    public ulong Seed { get; init; }

    public NoiseKind Rng { get; init; }

    public Sampling Sampling { get; init; } = new();

    /// Pictures of each prompt.
    public int Count { get; init; } = 1;

    /// A picture to begin from instead of noise alone: its middle, in the shape of the pictures to draw.
    public string? Image { get; init; }

    /// With a picture: the part of the steps that is taken, 0 to 1; at 1 little is left of it.
    public double Strength { get; init; } = 0.8;

    /// A safetensors file whose `latents` (N, L, h, w) are the first noise instead; they say count and size.
    public string? Latents { get; init; }

    /// Where the first noise is written, in the same form.
    public string? SaveLatents { get; init; }

    /// Pixels; null is the model's own size.
    public int? Width { get; init; }

    public int? Height { get; init; }

    public string Device { get; init; } = "cpu";

    /// Of the device `cpu`; 0 is one for each core.
    public int Threads { get; init; }

    /// How the device `cpu` computes 3×3 convolutions.
    public ConvAlgorithm Conv { get; init; } = Tensors.Device.DefaultConv;

    /// Bytes that the whole run keeps within, by giving up what <see cref="MemoryPlan"/> says; null is no limit.
    public long? MemoryBudget { get; init; }

    public required string Out { get; init; }

    /// Guidance asks the model without its adapters too: their layers must be had in both forms.
    internal bool NeedsBase => Adapters.Count > 0 && Sampling is { GuidanceFrom: GuidanceFrom.Both, Guidance: > 1 } && Prompts.Any(Subject.IsIn);

    /// Width and height in pixels where no latents are given: what was asked for, or the model's own.
    internal (int Width, int Height) Size(Diffusion.DiffusionModel model)
    {
        int own = (model.UNet.Config.SampleSize ?? 64) * model.Vae.Config.Downscale;
        return (Width ?? own, Height ?? own);
    }
}

/// What came of it; `Adapters` says of each what it is and how many of its modules the model has: all, or there would be no record.
public sealed record GenerationRecord(GenerationRun Settings, IReadOnlyList<string> Adapters, IReadOnlyList<string> Files, double Seconds, MemoryPlan Memory, long PeakMemoryBytes)
{
    public string ToJson() => System.Text.Json.JsonSerializer.Serialize(this, RunRecord.Json);
}
