using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Elementwise.Geglu;

namespace IlgpuDiffusion.Ops;

/// y = h·gelu(g) with (h, g) the halves of the last axis: (…, 2D) to (…, D). Keeps p.
public static class Geglu
{
    public static Tensor Forward(Tape tape, Tensor p)
    {
        if (p.Shape.Rank == 0 || p.Shape[-1] % 2 != 0)
            throw new ArgumentException($"Geglu: the last axis of {p.Shape} has no halves");
        int d = p.Shape[-1] / 2;
        Tensor y = tape.New(p.Shape.WithLast(d));
        Kernel.Forward(tape.Kernels, p.View, y.View, d);
        tape.Record(y, [p], dy =>
        {
            Tensor dp = tape.New(p.Shape);
            Kernel.Backward(tape.Kernels, p.View, dy.View, dp.View, d);
            tape.Accumulate(p, dp);
        });
        return y;
    }
}
