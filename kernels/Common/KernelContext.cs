using ILGPU;
using ILGPU.Runtime;

namespace IlgpuDiffusion.Kernels.Common;

/// What a launcher needs to run a kernel: ILGPU's accelerator, or on the `cpu` device the pool on which kernels are called directly.
/// Launchers are loaded once per kernel and kept here, so a second step compiles nothing; <see cref="Compiled"/> counts.
public sealed partial class KernelContext(Accelerator accelerator, CpuPool? cpu, ConvAlgorithm conv = ConvAlgorithm.Direct)
{
    readonly Dictionary<Delegate, Delegate> launchers = [];

    public Accelerator Accelerator { get; } = accelerator;

    /// The pool of the `cpu` device; null on devices where kernels are launched through ILGPU.
    public CpuPool? Cpu { get; } = cpu;

    /// What the `cpu` device may do to a 3×3 convolution.
    public ConvAlgorithm Conv { get; } = conv;

    /// Kernels compiled so far.
    public long Compiled { get; private set; }

    /// Kernels launched through ILGPU so far.
    public long Launches { get; private set; }

    TLauncher Cached<TLauncher>(Delegate kernel, Func<TLauncher> load)
        where TLauncher : Delegate
    {
        Launches++;
        if (launchers.TryGetValue(kernel, out Delegate? launcher))
            return (TLauncher)launcher;
        Compiled++;
        TLauncher loaded = load();
        launchers.Add(kernel, loaded);
        return loaded;
    }

    static Index1D CheckedCount(long count) => count <= int.MaxValue
        ? new Index1D((int)count)
        : throw new ArgumentOutOfRangeException(nameof(count), $"a launch of {count} threads exceeds {int.MaxValue}; cut it into pieces");

    KernelConfig CheckedGroups(long groups, int threads)
    {
        if (threads > Accelerator.MaxNumThreadsPerGroup)
            throw new ArgumentOutOfRangeException(nameof(threads), $"a group of {threads} threads exceeds {Accelerator.MaxNumThreadsPerGroup} on {Accelerator.Name}");
        return groups <= int.MaxValue
            ? new KernelConfig((int)groups, threads)
            : throw new ArgumentOutOfRangeException(nameof(groups), $"a launch of {groups} groups exceeds {int.MaxValue}; cut it into pieces");
    }
}
