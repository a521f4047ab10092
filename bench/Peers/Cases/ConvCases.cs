using Op = IlgpuDiffusion.Ops;
using Torch = TorchSharp.torch;

namespace IlgpuDiffusion.Peers.Cases;

/// 3×3 convolutions, named by their input (B x C x H x W); as many channels come out as go in.
static class ConvCases
{
    // Winograd multiplies a quarter as often; with fewer channels, transforming is a larger part of what remains.
    const double WideTarget = 1.8, NarrowTarget = 1.5;
    const int Wide = 320;

    static readonly (int B, int C, int Size)[] Shapes =
        [(4, 64, 32), (20, 64, 16), (20, 128, 8), (1, 128, 128), (1, 320, 64), (1, 640, 32), (1, 1280, 16)];

    public static IEnumerable<PeerCase> All => Shapes.SelectMany(s => new[] { Case(s, backward: false), Case(s, backward: true) });

    static PeerCase Case((int B, int C, int Size) s, bool backward) => new(
        backward ? "conv3x3+backward" : "conv3x3", $"{s.B}x{s.C}x{s.Size}x{s.Size}", s.C >= Wide ? WideTarget : NarrowTarget, device =>
        {
            OurSide us = new(device);
            PeerSide them = new();
            int b = s.B, c = s.C, size = s.Size;
            Tensors.Tensor x = us.Normal(b, size, size, c), w = us.Normal(c, 3, 3, c), bias = us.Normal(c), dy = us.Normal(b, size, size, c);
            Torch.Tensor tx = them.Normal(b, c, size, size), tw = them.Normal(c, c, 3, 3), tbias = them.Normal(c), tdy = them.Normal(b, c, size, size);
            Tensors.Tensor Ours(Autograd.Tape tape, Tensors.Tensor[] of) => Op.Conv2d.Forward(tape, of[0], of[1], of[2], stride: 1, padding: 1);
            Torch.Tensor Theirs() => Torch.nn.functional.conv2d(tx, tw, tbias, padding: [1, 1]);
            return backward
                ? new Pair(us.Gradients(Ours, dy, x, w, bias), PeerSide.Gradients(Theirs, tdy, tx, tw, tbias), us, them)
                : new Pair(us.Forward(Ours, x, w, bias), PeerSide.Forward(Theirs), us, them);
        });
}
