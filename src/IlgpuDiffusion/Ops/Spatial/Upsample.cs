using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Spatial.Upsample;

namespace IlgpuDiffusion.Ops;

/// Nearest neighbour, twice in H and W: (B, H, W, C) to (B, 2H, 2W, C). Keeps nothing.
public static class Upsample
{
    public static Tensor Forward(Tape tape, Tensor x)
    {
        if (x.Shape.Rank != 4)
            throw new ArgumentException($"Upsample: {x.Shape} is not (B, H, W, C)");
        int b = x.Shape[0], h = x.Shape[1], w = x.Shape[2], c = x.Shape[3];
        Tensor y = tape.New([b, 2 * h, 2 * w, c]);
        Kernel.Forward(tape.Kernels, x.View, y.View, b * h, w, c);
        tape.Record(y, [x], dy =>
        {
            Tensor dx = tape.New(x.Shape);
            Kernel.Backward(tape.Kernels, dy.View, dx.View, b * h, w, c);
            tape.Accumulate(x, dx);
        });
        return y;
    }
}
