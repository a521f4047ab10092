using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Personalization;

namespace IlgpuDiffusion.Evaluation;

/// Everything that the pictures of one trial depend on. Two trials with equal inputs have equal pictures, so the second is taken from the first one's file.
sealed record TrialInputs
{
    /// Of the results file; raised when the same inputs would no longer give the same pictures.
    public int Form { get; } = 1;

    public string Program { get; } = RunMachine.Version;

    /// <see cref="ModelHash"/>
    public required string Model { get; init; }

    /// Null with no method: the model as it is, which knows nobody.
    public Method? Method { get; init; }

    /// SHA-256 of the photo's file; null as above.
    public string? Photo { get; init; }

    /// Of the hypernetwork's folder, for methods that start from a prediction.
    public string? Hypernetwork { get; init; }

    /// SHA-256 of the file that is predicted from, where that is not the photo.
    public string? PredictedFrom { get; init; }

    /// Iterations of the method that were run.
    public int Step { get; init; }

    public required IReadOnlyList<string> Prompts { get; init; }

    /// Further pictures of the plain prompt.
    public required int Samples { get; init; }

    /// Pictures of the class, without the person.
    public required int ClassSamples { get; init; }

    public required Subject Subject { get; init; }

    public required Sampling Sampling { get; init; }

    public required ulong Seed { get; init; }

    /// Devices round differently; threads do not.
    public required string Device { get; init; }

    public required ConvAlgorithm Conv { get; init; }

    public string ToJson() => JsonSerializer.Serialize(this, RunRecord.Json);

    public string Key() => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(ToJson())));
}
