using IlgpuDiffusion.Peers.Network;
using Op = IlgpuDiffusion.Ops;
using Torch = TorchSharp.torch;

namespace IlgpuDiffusion.Peers.Cases;

/// Multi-head attention: face-mini's two sorts, the text encoder's, and SD's at its levels among pixels and to the text.
static class AttentionCases
{
    const double Target = 1.5;

    public static IEnumerable<PeerCase> All => new[] { (20, 4, 64, 64, 32), (20, 4, 64, 24, 32), (1, 8, 1024, 1024, 80), (1, 8, 1024, 77, 80), (1, 8, 4096, 4096, 40), (1, 8, 256, 256, 160) }
        .SelectMany(s => new[] { Case(s, backward: false), Case(s, backward: true) });

    static PeerCase Case((int B, int Heads, int Queries, int Keys, int D) s, bool backward) => new(
        backward ? "attention+backward" : "attention", $"{s.B}x{s.Heads} heads x{s.D}, {s.Queries} on {s.Keys}", Target, device =>
        {
            OurSide us = new(device);
            PeerSide them = new();
            int c = s.Heads * s.D;
            Tensors.Tensor q = us.Normal(s.B, s.Queries, c), k = us.Normal(s.B, s.Keys, c), v = us.Normal(s.B, s.Keys, c), dy = us.Normal(s.B, s.Queries, c);
            Torch.Tensor tq = them.Normal(s.B, s.Queries, c), tk = them.Normal(s.B, s.Keys, c), tv = them.Normal(s.B, s.Keys, c), tdy = them.Normal(s.B, s.Queries, c);
            Tensors.Tensor Ours(Autograd.Tape tape, Tensors.Tensor[] of) => Op.Attention.Forward(tape, of[0], of[1], of[2], s.Heads);
            Torch.Tensor Theirs() => TorchAttention.Forward(tq, tk, tv, s.Heads);
            return backward
                ? new Pair(us.Gradients(Ours, dy, q, k, v), PeerSide.Gradients(Theirs, tdy, tq, tk, tv), us, them)
                : new Pair(us.Forward(Ours, q, k, v), PeerSide.Forward(Theirs), us, them);
        });
}
