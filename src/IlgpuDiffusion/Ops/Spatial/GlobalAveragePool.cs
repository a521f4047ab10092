using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Spatial;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Ops;

/// Mean over H and W: (B, H, W, C) to (B, C). Keeps nothing.
public static class GlobalAveragePool
{
    public static Tensor Forward(Tape tape, Tensor x)
    {
        if (x.Shape.Rank != 4)
            throw new ArgumentException($"GlobalAveragePool: {x.Shape} is not (B, H, W, C)");
        int b = x.Shape[0], pixels = x.Shape[1] * x.Shape[2], c = x.Shape[3];
        Tensor y = tape.New([b, c]);
        ColumnSum.Forward(tape.Kernels, x.View, y.View, b, pixels, c, 1f / pixels);
        tape.Record(y, [x], dy =>
        {
            Tensor dx = tape.New(x.Shape);
            Broadcast.Forward(tape.Kernels, dy.View, dx.View, pixels, c, 1f / pixels);
            tape.Accumulate(x, dx);
        });
        return y;
    }
}
