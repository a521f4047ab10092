using System.Reflection;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Simulation;
using IlgpuDiffusion.Kernels.Trials;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Diagnostics.Profiling;

/// What `ptx-sim` counted of one kernel in one launch of the operation.
public sealed record KernelCounts(
    string Kernel,
    IReadOnlyDictionary<string, long> Instructions,
    double SectorsPerLoad,
    double SectorsPerStore,
    long GlobalLoads,
    long GlobalStores,
    long BankConflicts,
    long Barriers,
    long Divergences);

/// One operation run by itself: against its reference, then timed, or on `ptx-sim` counted.
public sealed record KernelReport(
    string Operation,
    string Version,
    string Device,
    IReadOnlyDictionary<string, int> Shape,
    IReadOnlyList<TrialError> Errors,
    Work Work,
    Timing? Time,
    MachineRoof? Roof,
    IReadOnlyList<KernelCounts> Counts)
{
    public bool Passed => Errors.All(e => e.Passed);

    public double GFlopsPerSecond => Time is { } t ? Work.Flops / t.MedianUs / 1e3 : 0;

    public double GBytesPerSecond => Time is { } t ? Work.Bytes / t.MedianUs / 1e3 : 0;

    /// The least time under the machine's measured roof, as a share of the median.
    public double ShareOfRoof => Time is { } t && Roof is { } roof ? roof.ShareOf(Work, t.MedianUs / 1e6) : 0;
}

/// The whole of `ilgd kernels run`.
public static class KernelRun
{
    /// The trial that a name and version mean, as `ilgd kernels list` spells them. Errors: no such kernel, none of that version, one that no launcher reaches.
    public static TrialEntry Find(string name, string? version)
    {
        if (TrialCatalog.All.FirstOrDefault(t => t.Name == name && t.Version == (version ?? "")) is { } trial)
            return trial;
        KernelEntry[] named = [.. KernelCatalog.All.Where(k => k.Name == name && (version is null || k.Version == version))];
        if (named.Length == 0)
            throw new IlgdException($"no kernel is named '{name}'{(version is null ? "" : $" in a version {version}")}: see ilgd kernels list");
        if (named.Length > 1)
            throw new IlgdException($"{name} has the versions {string.Join(", ", named.Select(k => k.Version))}: choose one with --version");
        return TrialCatalog.Of(named[0]) ?? throw new IlgdException($"{name} is not run: {WhyNot}");
    }

    /// Why a kernel without a trial has none.
    public const string WhyNot = "no launcher makes this pair of operands";

    /// The sizes asked for over the standard ones: `M=64,K=128`. Errors: a name that the trial does not know, no positive number.
    public static IReadOnlyDictionary<string, int> Sizes(TrialEntry trial, string? asked)
    {
        Dictionary<string, int> sizes = new(trial.Sizes);
        foreach (string part in (asked ?? "").Split([',', ' '], StringSplitOptions.RemoveEmptyEntries))
        {
            string[] pair = part.Split('=');
            if (pair.Length != 2 || !sizes.ContainsKey(pair[0]) || !int.TryParse(pair[1], out int value) || value < 0)
                throw new IlgdException($"--shape: '{part}' is no size of {trial.Name}; expected {string.Join(',', trial.Sizes.Select(s => $"{s.Key}={s.Value}"))}, any of them");
            sizes[pair[0]] = value;
        }

        return sizes;
    }

    /// Errors: <see cref="IlgdException"/> where the device does not run this version or the sizes do not fit.
    public static KernelReport Run(TrialEntry entry, IReadOnlyDictionary<string, int> sizes, Device device)
    {
        if (entry.Version.Length > 0 && device.Name == "cpu")
            throw new IlgdException($"the device cpu runs its own version of {entry.Name}, not {entry.Version}: leave --version out, or use --device cpu-sim");
        if (entry.UsesTensorCores && device.Name is not ("ptx-sim" or "cuda"))
            throw new IlgdException($"{entry.Name} {entry.Version} does not run on {device.Name}: it is for ptx-sim and cuda");
        try
        {
            using Trial trial = new(entry, device.Kernels, sizes);
            device.Kernels.Simulator?.Clear();
            WorkMeter meter = new();
            device.Kernels.Observer = meter;
            IReadOnlyList<TrialError> errors = trial.Check();
            device.Kernels.Observer = device.Observer;
            KernelCounts[] counts = device.Kernels.Simulator is { } simulator ? [.. simulator.Counters.Select(c => Counts(c.Key, c.Value))] : [];
            bool timed = device.Kernels.Simulator is null;
            return new KernelReport(
                entry.Name, entry.Version, device.Name, sizes, errors, meter.Work, timed ? Timing.Of(trial.Launch) : null, timed ? MachineRoof.Measure(device) : null, counts);
        }
        catch (Exception e) when (e is ArgumentException or OverflowException or IndexOutOfRangeException)
        {
            throw new IlgdException($"{entry.Name} at {string.Join(',', sizes.Select(s => $"{s.Key}={s.Value}"))}: {e.Message.Split('\n')[0]}");
        }
    }

    static KernelCounts Counts(MethodInfo kernel, PtxCounters c) => new(
        KernelCatalog.All.FirstOrDefault(k => k.Method == kernel) is { } known ? $"{known.Name} {known.Version}" : kernel.Name,
        Enum.GetValues<PtxClass>().Where(kind => c.Issued(kind) > 0).ToDictionary(kind => kind.ToString(), c.Issued),
        c.SectorsPerLoad,
        c.SectorsPerStore,
        c.GlobalLoads,
        c.GlobalStores,
        c.BankConflicts,
        c.Barriers,
        c.Divergences);
}
