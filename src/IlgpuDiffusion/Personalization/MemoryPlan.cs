using System.Globalization;
using System.Text.Json.Serialization;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Tensors;
using Device = IlgpuDiffusion.Tensors.Device;

namespace IlgpuDiffusion.Personalization;

/// What a part of a run may give up for memory.
public enum MemoryUse
{
    /// The autoencoder: tiles.
    Autoencoder,

    /// Denoising with guidance: its halves apart.
    Sampling,

    /// Forward and backward: checkpointing.
    Training,

    /// A prediction: nothing.
    Prediction,
}

/// One part of a run with the bytes that each owner holds when it holds most.
public sealed record MemoryPhase(string Phase, MemoryUse Use, IReadOnlyDictionary<string, long> Owners)
{
    public long Bytes => Owners.Values.Sum();

    /// What is done in it, where that is not said by its name.
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Note { get; init; }
}

/// What a run will ask for, found by going through it on <see cref="Device.Plan"/>: the run's own code, without kernels and without memory. So it cannot say something else than
/// the run does.
public sealed record MemoryPlan(MemorySettings Settings, long? BudgetBytes, IReadOnlyList<MemoryPhase> Phases)
{
    /// The .NET runtime, the program's code, tables and scratch of the kernels, and a weight on its way from the file: not asked of a device, and so not counted by one.
    public const long ProgramBytes = 450_000_000;

    public const string Program = "program";

    public long PeakBytes => Phases.Max(p => p.Bytes);

    [JsonIgnore]
    public MemoryPhase Largest => Phases.MaxBy(p => p.Bytes)!;

    /// The cheapest settings that keep every phase within the budget: each phase gives up what is its own, one thing after the other, and only while it is too large. Without a budget
    /// nothing is given up. Errors: a budget that cannot be met.
    internal static MemoryPlan Within(long? budget, Func<MemorySettings, IReadOnlyList<MemoryPhase>> phases)
    {
        MemorySettings settings = new();
        HashSet<MemoryUse> spent = [];
        while (true)
        {
            MemoryPlan plan = new(settings, budget, phases(settings));
            MemoryPhase? over = plan.Phases.Where(p => p.Bytes > budget && !spent.Contains(p.Use)).MaxBy(p => p.Bytes);
            if (over is null)
            {
                return plan.PeakBytes <= (budget ?? long.MaxValue)
                    ? plan
                    : throw new IlgdException(
                        $"a memory budget of {Gigabytes(budget!.Value)} cannot be met: {plan.Largest.Phase} takes {Gigabytes(plan.PeakBytes)} at the least; the smallest that can is --memory-budget {Ceiling(plan.PeakBytes)}");
            }

            if (Smaller(settings, over.Use) is { } smaller)
                settings = smaller;
            else
                spent.Add(over.Use);
        }
    }

    /// Opens the model on a planning device as the run will, and goes through its parts.
    internal static MemoryPlan Of(long? budget, string device, ConvAlgorithm conv, Func<Device, DiffusionModel> load, Action<DiffusionModel, MemorySettings, MemoryPhases> run)
    {
        using Device planned = Device.Plan(device == "cpu" ? conv : ConvAlgorithm.Direct);
        using DiffusionModel model = load(planned);
        return Within(budget, settings =>
        {
            MemoryPhases phases = new(planned);
            run(model, settings, phases);
            return phases.All;
        });
    }

    /// The plan as a table of phases and owners, one line each.
    public IEnumerable<string> Lines()
    {
        string given = string.Join(", ", new[]
        {
            Settings.Checkpointing ? "gradient checkpointing" : null,
            Settings.GuidanceApart ? "guidance in two passes" : null,
            Settings.VaeTile > 0 ? $"autoencoder in tiles of {Settings.VaeTile} latents" : null,
        }.OfType<string>());
        yield return $"memory: {Gigabytes(PeakBytes)} at most, in {Largest.Phase}{(BudgetBytes is { } b ? $", of {Gigabytes(b)}" : "")}{(given.Length > 0 ? $"; {given}" : "")}";
        foreach (MemoryPhase phase in Phases)
        {
            IEnumerable<string> parts = phase.Owners.Where(o => o.Value > 0).OrderByDescending(o => o.Value).Select(o => $"{o.Key} {Gigabytes(o.Value)}");
            yield return $"  {phase.Phase,-16} {Gigabytes(phase.Bytes),9}   {string.Join(", ", parts)}{(phase.Note is { } note ? $"; {note}" : "")}";
        }
    }

    static MemorySettings? Smaller(MemorySettings s, MemoryUse use) => use switch
    {
        MemoryUse.Training when !s.Checkpointing => s with { Checkpointing = true },
        MemoryUse.Sampling when !s.GuidanceApart => s with { GuidanceApart = true },
        MemoryUse.Autoencoder when s.VaeTile == 0 => s with { VaeTile = LargestTile },
        MemoryUse.Autoencoder when s.VaeTile > SmallestTile => s with { VaeTile = s.VaeTile / 2 },
        _ => null,
    };

    // Latents; 64 is what Stable Diffusion was trained on, below 16 the seams would be more than the tiles.
    const int LargestTile = 64, SmallestTile = 16;

    internal static string Gigabytes(long bytes) => bytes < 100_000_000
        ? string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:0.0} MB")
        : string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e9:0.00} GB");

    // Rounded up, in the form that the option takes.
    static string Ceiling(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{Math.Ceiling(bytes / 1e7) / 100:0.00}G");
}

/// Collects a plan: what the device held at most during each part.
sealed class MemoryPhases(Device device)
{
    readonly List<MemoryPhase> phases = [];

    public IReadOnlyList<MemoryPhase> All => phases;

    /// `host`: bytes beside the device's, by owner.
    public T Add<T>(string phase, MemoryUse use, Func<T> work, params ReadOnlySpan<(string Owner, long Bytes)> host)
    {
        device.ResetPeak();
        T result = work();
        Dictionary<string, long> owners = new(device.AtPeak.Where(o => o.Value > 0)) { [MemoryPlan.Program] = MemoryPlan.ProgramBytes };
        foreach ((string owner, long bytes) in host)
            owners[owner] = bytes;
        phases.Add(new MemoryPhase(phase, use, owners));
        return result;
    }

    /// Of the part that was added last.
    public void Note(string note) => phases[^1] = phases[^1] with { Note = note };
}
