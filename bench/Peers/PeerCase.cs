using IlgpuDiffusion.Diagnostics.Profiling;
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
/// between the quartiles.
sealed record PeerRow(
    string Name, string Shape, double OursUs, double PeerUs, double Ratio, double Target, double OursSpreadUs, double PeerSpreadUs)
{
    public static PeerRow Of(PeerCase of, Timing ours, Timing peer) => new(
        of.Name, of.Shape, ours.MedianUs, peer.MedianUs, peer.MedianUs / ours.MedianUs, of.Target, ours.SpreadUs, peer.SpreadUs);
}
