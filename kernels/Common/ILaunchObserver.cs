using System.Reflection;

namespace IlgpuDiffusion.Kernels.Common;

/// Sees what a context launches. A context without one pays a comparison with null a launch. Called by the launching thread, <see cref="Ran"/> by the pool's.
public interface ILaunchObserver
{
    /// A launcher starts, and ends. Launchers that call launchers nest.
    void Begin(string operation, string shape, Work work);

    void End();

    /// The number of the launch that is running: what work is handed to other threads under.
    long Launch { get; }

    /// A thread of the `cpu` pool (0 is the launching one) worked for a launch; times are of <see cref="System.Diagnostics.Stopwatch"/>.
    void Ran(long launch, int thread, long begin, long end);

    /// A kernel was compiled, in these ticks of the stopwatch, while a launch waited.
    void Compiled(MethodInfo kernel, long ticks);
}

/// Ends what <see cref="KernelContext.Scope"/> began.
public readonly ref struct LaunchScope(ILaunchObserver? observer)
{
    public void Dispose() => observer?.End();
}
