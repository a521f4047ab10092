using Op = IlgpuDiffusion.Ops;
using Torch = TorchSharp.torch;

namespace IlgpuDiffusion.Peers.Cases;

/// GroupNorm followed by SiLU: one pass here, two there.
static class NormCases
{
    const double Target = 2;

    public static IEnumerable<PeerCase> All => new[] { (20, 64, 16, 16), (20, 128, 8, 16), (1, 320, 64, 32) }
        .SelectMany(s => new[] { Case(s, backward: false), Case(s, backward: true) });

    static PeerCase Case((int B, int C, int Size, int Groups) s, bool backward) => new(
        backward ? "groupnorm+silu+backward" : "groupnorm+silu", $"{s.B}x{s.C}x{s.Size}x{s.Size}, {s.Groups} groups", Target, device =>
        {
            OurSide us = new(device);
            PeerSide them = new();
            int b = s.B, c = s.C, size = s.Size;
            Tensors.Tensor x = us.Normal(b, size, size, c), w = us.Normal(c), bias = us.Normal(c), dy = us.Normal(b, size, size, c);
            Torch.Tensor tx = them.Normal(b, c, size, size), tw = them.Normal(c), tbias = them.Normal(c), tdy = them.Normal(b, c, size, size);
            Tensors.Tensor Ours(Autograd.Tape tape, Tensors.Tensor[] of) => Op.GroupNorm.Forward(tape, of[0], of[1], of[2], s.Groups, 1e-5f, silu: true);
            Torch.Tensor Theirs() => Torch.nn.functional.silu(Torch.nn.functional.group_norm(tx, s.Groups, tw, tbias, 1e-5));
            return backward
                ? new Pair(us.Gradients(Ours, dy, x, w, bias), PeerSide.Gradients(Theirs, tdy, tx, tw, tbias), us, them)
                : new Pair(us.Forward(Ours, x, w, bias), PeerSide.Forward(Theirs), us, them);
        });
}
