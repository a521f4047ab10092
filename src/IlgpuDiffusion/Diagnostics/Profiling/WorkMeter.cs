using System.Reflection;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Diagnostics.Profiling;

/// Adds up the work that launchers say they do; those that launchers call are in their callers.
public sealed class WorkMeter : ILaunchObserver
{
    int depth;

    public Work Work { get; private set; }

    public long Launch => 0;

    public void Begin(string operation, string shape, Work work)
    {
        if (depth++ == 0)
            Work = new Work(Work.Flops + work.Flops, Work.Bytes + work.Bytes);
    }

    public void End() => depth--;

    public void Ran(long launch, int thread, long begin, long end)
    {
    }

    public void Compiled(MethodInfo kernel, long ticks)
    {
    }
}
