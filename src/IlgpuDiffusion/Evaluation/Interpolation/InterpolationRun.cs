using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Personalization;

namespace IlgpuDiffusion.Evaluation;

/// All settings of `ilgd interpolate`.
public sealed record InterpolationRun
{
    /// Photos of the two people.
    public required string From { get; init; }

    public required string To { get; init; }

    /// A folder in diffusers' layout, or a single-file checkpoint.
    public required string Model { get; init; }

    public string? Variant { get; init; }

    /// For a single-file checkpoint: the folder that configs and tokenizer come from.
    public string? ModelConfig { get; init; }

    /// Folder of the hypernetwork.
    public required string Hypernetwork { get; init; }

    /// Places on the way, the two people among them.
    public int Positions { get; init; } = 5;

    /// `[V]` in them becomes the subject's identifier.
    public IReadOnlyList<string> Prompts { get; init; } = ["a [V] face", "a [V] face smiling", "a pencil sketch of a [V] face", "a [V] face in snow"];

    public Subject Subject { get; init; } = new();

    public ulong Seed { get; init; }

    public Sampling Sampling { get; init; } = new();

    /// Folder of a network that recognises faces; null takes the model's own judge, where it has one.
    public string? FaceEncoder { get; init; }

    public string Device { get; init; } = "cpu";

    /// Of the device `cpu`; 0 is one for each core.
    public int Threads { get; init; }

    public ConvAlgorithm Conv { get; init; } = Tensors.Device.DefaultConv;

    public required string Out { get; init; }
}

/// One place on the way: `At` is 0 at the first person and 1 at the second; likenesses are means over the prompts' pictures of the cosine to each one's photo, null without a judge.
public sealed record InterpolationPoint(double At, double? LikeFrom, double? LikeTo);

/// What came of it.
public sealed record InterpolationRecord(InterpolationRun Settings, IReadOnlyList<InterpolationPoint> Points)
{
    public string ToJson() => System.Text.Json.JsonSerializer.Serialize(this, RunRecord.Json);
}
