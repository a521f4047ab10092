using System.Reflection;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Peers;

/// Adds up what the formulas of all launches need; of launchers that call launchers the outer one counts.
sealed class WorkCounter : ILaunchObserver
{
    int depth;

    public Work Work { get; private set; }

    public long Launch => 0;

    public static Work Of(KernelContext kernels, Action action)
    {
        WorkCounter counter = new();
        kernels.Observer = counter;
        action();
        kernels.Observer = null;
        return counter.Work;
    }

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
