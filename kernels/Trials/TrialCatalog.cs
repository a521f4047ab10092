using System.Reflection;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Kernels.Trials;

/// One trial. Name and version as a kernel's; without a version it takes what the launcher chooses for the device.
public sealed record TrialEntry(string Name, string Version, IReadOnlyDictionary<string, int> Sizes, IReadOnlyList<string> Kernels, MethodInfo Method)
{
    public bool UsesTensorCores => Version == KernelCatalog.TensorCore;
}

/// All trials, found by reflection.
public static class TrialCatalog
{
    public static IReadOnlyList<TrialEntry> All { get; } =
    [
        .. (from type in typeof(TrialCatalog).Assembly.GetTypes()
            from method in type.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
            where method.IsDefined(typeof(TrialAttribute))
            from closed in KernelCatalog.Closed(method)
            select Entry(closed)).OrderBy(t => t.Name, StringComparer.Ordinal).ThenBy(t => t.Version, StringComparer.Ordinal),
    ];

    /// The trial that launches a kernel; null where nothing does.
    public static TrialEntry? Of(KernelEntry kernel) =>
        All.FirstOrDefault(t => t.Name == kernel.Name && t.Version == kernel.Version)
        ?? All.FirstOrDefault(t => t.Name == kernel.Name && t.Version.Length == 0 && kernel.Version == "V1")
        ?? All.FirstOrDefault(t => t.Kernels.Contains(kernel.Name) && t.UsesTensorCores == (kernel.UsesTensorCores || kernel.File.Contains(KernelCatalog.TensorCore, StringComparison.Ordinal)));

    static TrialEntry Entry(MethodInfo method)
    {
        (string part, string version) = KernelCatalog.Parts(method.Name, "Trial");
        TrialAttribute trial = method.GetCustomAttribute<TrialAttribute>()!;
        string types = KernelCatalog.Types(method);
        Dictionary<string, int> sizes = trial.Sizes.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(s => s.Split('=')).ToDictionary(s => s[0], s => int.Parse(s[1]));
        return new TrialEntry($"{method.DeclaringType!.Name}.{part}{types}", version, sizes, [.. trial.Kernels.Select(k => k.Replace("<>", types, StringComparison.Ordinal))], method);
    }
}
