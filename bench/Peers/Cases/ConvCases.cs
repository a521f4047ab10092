using Op = IlgpuDiffusion.Ops;
using Torch = TorchSharp.torch;

namespace IlgpuDiffusion.Peers.Cases;

/// Convolutions, named by their input (B x C x H x W) and, where it differs, by the channels that come out; padded to keep the size, or half of it at stride 2.
static class ConvCases
{
    // Winograd multiplies a quarter as often; with fewer channels, transforming is a larger part of what remains. The others are matrix products.
    const double WideTarget = 1.8, NarrowTarget = 1.5, ProductTarget = 1;

    readonly record struct Shape(int B, int C, int O, int Size, double Target, int Taps = 3, int Stride = 1)
    {
        public string Name => $"conv{Taps}x{Taps}{(Stride == 1 ? "" : $"/{Stride}")}";

        public string Text => $"{B}x{C}x{Size}x{Size}{(O == C ? "" : $" -> {O}")}";
    }

    static readonly Shape[] Shapes =
    [
        new(4, 64, 64, 32, NarrowTarget),
        new(20, 64, 64, 16, NarrowTarget),
        new(20, 128, 128, 8, NarrowTarget),
        new(1, 128, 128, 128, NarrowTarget),
        new(1, 320, 320, 64, WideTarget),
        new(1, 640, 640, 32, WideTarget),
        new(1, 1280, 1280, 16, WideTarget),
        new(1, 4, 320, 64, ProductTarget),
        new(1, 320, 4, 64, ProductTarget),
        new(1, 320, 320, 64, ProductTarget, Stride: 2),
        new(20, 64, 64, 16, ProductTarget, Stride: 2),
        new(1, 320, 320, 64, ProductTarget, Taps: 1),
        new(12, 128, 64, 16, ProductTarget, Taps: 1),
    ];

    static readonly Shape[] Endings = [new(20, 64, 64, 16, NarrowTarget), new(20, 128, 128, 8, NarrowTarget), new(1, 320, 320, 64, WideTarget)];

    public static IEnumerable<PeerCase> All => Shapes.SelectMany(s => new[] { Case(s, backward: false), Case(s, backward: true) }).Concat(Endings.Select(WithResidual));

    // What ends a residual block: one operation here, a convolution and a sum there.
    static PeerCase WithResidual(Shape s) => new($"{s.Name}+residual", s.Text, s.Target, device =>
    {
        OurSide us = new(device);
        PeerSide them = new();
        Tensors.Tensor x = us.Normal(s.B, s.Size, s.Size, s.C), w = us.Normal(s.O, 3, 3, s.C), bias = us.Normal(s.O), r = us.Normal(s.B, s.Size, s.Size, s.O);
        Torch.Tensor tx = them.Normal(s.B, s.C, s.Size, s.Size), tw = them.Normal(s.O, s.C, 3, 3), tbias = them.Normal(s.O), tr = them.Normal(s.B, s.O, s.Size, s.Size);
        return new Pair(
            us.Forward((tape, of) => Op.Conv2d.Forward(tape, of[0], of[1], of[2], 1, Op.Padding.Same(1), of[3]), x, w, bias, r),
            PeerSide.Forward(() => Torch.nn.functional.conv2d(tx, tw, tbias, [1, 1], [1, 1]) + tr),
            us,
            them);
    });

    static PeerCase Case(Shape s, bool backward) => new(backward ? $"{s.Name}+backward" : s.Name, s.Text, s.Target, device =>
    {
        OurSide us = new(device);
        PeerSide them = new();
        int b = s.B, c = s.C, o = s.O, size = s.Size, outSize = size / s.Stride, taps = s.Taps, pad = taps / 2;
        Tensors.Tensor x = us.Normal(b, size, size, c), w = us.Normal(o, taps, taps, c), bias = us.Normal(o), dy = us.Normal(b, outSize, outSize, o);
        Torch.Tensor tx = them.Normal(b, c, size, size), tw = them.Normal(o, c, taps, taps), tbias = them.Normal(o), tdy = them.Normal(b, o, outSize, outSize);
        Tensors.Tensor Ours(Autograd.Tape tape, Tensors.Tensor[] of) => Op.Conv2d.Forward(tape, of[0], of[1], of[2], s.Stride, pad);
        Torch.Tensor Theirs() => Torch.nn.functional.conv2d(tx, tw, tbias, [s.Stride, s.Stride], [pad, pad]);
        return backward
            ? new Pair(us.Gradients(Ours, dy, x, w, bias), PeerSide.Gradients(Theirs, tdy, tx, tw, tbias), us, them)
            : new Pair(us.Forward(Ours, x, w, bias), PeerSide.Forward(Theirs), us, them);
    });
}
