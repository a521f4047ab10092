using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Elementwise.AddChannels;

namespace IlgpuDiffusion.Ops;

/// y = x + v, v one vector of channels a sample: x (B, …, C), v (B, C). The time embedding of a residual block. Keeps nothing.
public static class AddChannels
{
    public static Tensor Forward(Tape tape, Tensor x, Tensor perSample)
    {
        if (x.Shape.Rank < 2 || perSample.Shape != Shape.Create([x.Shape[0], x.Shape[-1]]))
            throw new ArgumentException($"AddChannels: {perSample.Shape} is not one vector of channels a sample of {x.Shape}");
        int b = x.Shape[0], c = x.Shape[-1];
        int rows = b == 0 ? 0 : (int)(x.Shape.Rows / b);
        Tensor y = tape.New(x.Shape);
        Kernel.Forward(tape.Kernels, x.View, perSample.View, y.View, rows, c);
        tape.Record(y, [x, perSample], dy =>
        {
            tape.Accumulate(x, dy);
            if (!perSample.RequiresGrad)
                return;
            Tensor dv = tape.New(perSample.Shape);
            ColumnSum.Forward(tape.Kernels, dy.View, dv.View, b, rows, c);
            tape.Accumulate(perSample, dv);
        });
        return y;
    }
}
