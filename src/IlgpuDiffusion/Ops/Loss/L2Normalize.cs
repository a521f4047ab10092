using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Loss.L2Normalize;

namespace IlgpuDiffusion.Ops;

/// Rows scaled to length 1: y = x / max(|x|, 1e-12) over the last axis. Keeps x.
public static class L2Normalize
{
    public static Tensor Forward(Tape tape, Tensor x)
    {
        if (x.Shape.Rank == 0 || x.Shape[-1] == 0)
            throw new ArgumentException($"L2Normalize: {x.Shape} has no rows");
        int d = x.Shape[-1];
        Tensor y = tape.New(x.Shape);
        Kernel.Forward(tape.Kernels, x.View, y.View, d);
        tape.Record(y, [x], dy =>
        {
            Tensor dx = tape.New(x.Shape);
            Kernel.Backward(tape.Kernels, x.View, dy.View, dx.View, d);
            tape.Accumulate(x, dx);
        });
        return y;
    }
}
