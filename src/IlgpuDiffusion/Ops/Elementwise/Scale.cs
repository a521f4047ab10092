using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Elementwise.Scale;

namespace IlgpuDiffusion.Ops;

/// y = s·x, s a number without a gradient.
public static class Scale
{
    public static Tensor Forward(Tape tape, Tensor x, float s)
    {
        Tensor y = tape.New(x.Shape);
        Kernel.Forward(tape.Kernels, x.View, s, y.View);
        tape.Record(y, [x], dy =>
        {
            Tensor dx = tape.New(x.Shape);
            Kernel.Forward(tape.Kernels, dy.View, s, dx.View);
            tape.Accumulate(x, dx);
        });
        return y;
    }
}
