using IlgpuDiffusion.Diagnostics.Profiling;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Peers;

/// One thing that both sides can do. `Target` is the least ratio peer / ours that the project promises. `Prepare` makes the two programs;
/// what they hold lives until <see cref="Pair"/> is disposed.
sealed record PeerCase(string Name, string Shape, double Target, Func<Device, Pair> Prepare)
{
    public string Title => $"{Name} {Shape}";
}

/// The same work by us and by the peer, and what has to be freed afterwards.
sealed class Pair(Action ours, Action peer, params IDisposable[] held) : IDisposable
{
    public Action Ours { get; } = ours;

    public Action Peer { get; } = peer;

    public void Dispose()
    {
        foreach (IDisposable thing in held)
            thing.Dispose();
    }
}

/// One line of the table: medians in microseconds, ratio = peer_us / ours_us, so above 1 we are faster. The spreads are half the distance
/// between the quartiles. `Work` is what our side's formulas need; `Roof`, measured in the same process, is there where the target is missed.
sealed record PeerRow(
    string Name, string Shape, double OursUs, double PeerUs, double Ratio, double Target, double OursSpreadUs, double PeerSpreadUs, Work Work, MachineRoof? Roof)
{
    public static PeerRow Of(PeerCase of, Timing ours, Timing peer, Work work, Func<MachineRoof> roof)
    {
        double ratio = peer.MedianUs / ours.MedianUs;
        return new(of.Name, of.Shape, ours.MedianUs, peer.MedianUs, ratio, of.Target, ours.SpreadUs, peer.SpreadUs, work, ratio < of.Target ? roof() : null);
    }

    /// What bounds a case below its target, in a line; null where there is nothing to explain.
    public string? Explanation => Roof is null
        ? null
        : $"{Name} {Shape}: {Ratio:0.00} of {Target:0.0}. Its formulas need {Work.Flops / 1e9:0.000} GFLOP and {Work.Bytes / 1e6:0.0} MB; measured {Roof.FlopsPerSecond / 1e9:0} GFLOP/s and {Roof.BytesPerSecond / 1e9:0.0} GB/s allow "
            + $"{LeastUs(Roof):0.0} µs, bound by {(Work.Flops / Roof.FlopsPerSecond > Work.Bytes / Roof.BytesPerSecond ? "arithmetic" : "memory")}: ours reaches {LeastUs(Roof) / OursUs:P0} of that roof, libtorch {LeastUs(Roof) / PeerUs:P0}";

    double LeastUs(MachineRoof roof) => 1e6 * Math.Max(Work.Flops / roof.FlopsPerSecond, Work.Bytes / roof.BytesPerSecond);
}
