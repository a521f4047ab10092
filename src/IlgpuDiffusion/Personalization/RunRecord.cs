using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Personalization;

/// What the run ran on.
public sealed record RunMachine(string Device, string Description, int Threads, int Cores, string System, IReadOnlyDictionary<string, string> Versions)
{
    public static RunMachine Of(Device device, int threads) => new(
        device.Name,
        device.Accelerator.Name,
        device.Name == "cpu" && threads == 0 ? Environment.ProcessorCount : threads,
        Environment.ProcessorCount,
        RuntimeInformation.OSDescription,
        new Dictionary<string, string>
        {
            ["ilgpu_diffusion"] = Version,
            ["ilgpu"] = typeof(ILGPU.Context).Assembly.GetName().Version!.ToString(3),
            ["dotnet"] = Environment.Version.ToString(),
        });

    /// Of this program.
    public static string Version { get; } =
        typeof(RunMachine).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];
}

/// `run.json`: everything to repeat a personalisation and to compare it with another.
public sealed record RunRecord
{
    public required PersonalizationRun Settings { get; init; }

    public required RunMachine Machine { get; init; }

    /// Width and height of the model's pictures.
    public required int PictureSize { get; init; }

    public required string BaseSha256 { get; init; }

    /// Numbers that were trained.
    public required long TrainedParameters { get; init; }

    /// Numbers in float32 take four times as many bytes, in float16 twice.
    public required ModelSizes Sizes { get; init; }

    /// By phase, in the order in which they ran.
    public required IReadOnlyDictionary<string, double> Seconds { get; init; }

    public double SecondsInAll => Math.Round(Seconds.Values.Sum(), 3);

    /// What was planned before anything was asked for.
    public required MemoryPlan Memory { get; init; }

    /// What the process really held at most.
    public required long PeakMemoryBytes { get; init; }

    /// The finetuning's loss, one a step.
    public required IReadOnlyList<double> Loss { get; init; }

    /// <see cref="Personalization.PhotoLoss"/> of the photo.
    public required double PhotoLossBefore { get; init; }

    public required double PhotoLossAfter { get; init; }

    /// The same of the other people's photos, in the order of the settings.
    public required IReadOnlyList<double> OthersLossBefore { get; init; }

    public required IReadOnlyList<double> OthersLossAfter { get; init; }

    /// Bytes by file, without this one.
    public required IReadOnlyDictionary<string, long> Files { get; init; }

    public string ToJson() => JsonSerializer.Serialize(this, Json);

    internal static JsonSerializerOptions Json { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };
}
