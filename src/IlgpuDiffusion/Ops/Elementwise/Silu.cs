using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Elementwise.Silu;

namespace IlgpuDiffusion.Ops;

/// y = x·σ(x). Keeps x.
public static class Silu
{
    public static Tensor Forward(Tape tape, Tensor x)
    {
        Tensor y = tape.New(x.Shape);
        Kernel.Forward(tape.Kernels, x.View, y.View);
        tape.Record(y, [x], dy => Backward(tape, x, dy));
        return y;
    }

    static void Backward(Tape tape, Tensor x, Tensor dy)
    {
        Tensor dx = tape.New(x.Shape);
        Kernel.Backward(tape.Kernels, x.View, dy.View, dx.View);
        tape.Accumulate(x, dx);
    }
}
