using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Kernels.Elementwise;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Elementwise.Unary;

namespace IlgpuDiffusion.Ops;

/// y = f(x) for a function of one variable. Keeps x.
static class Unary
{
    public static Tensor Forward<T>(Tape tape, Tensor x)
        where T : struct, IUnary
    {
        Tensor y = tape.New(x.Shape);
        Kernel.Forward<T>(tape.Kernels, x.View, y.View);
        tape.Record(y, [x], dy =>
        {
            Tensor dx = tape.New(x.Shape);
            Kernel.Backward<T>(tape.Kernels, x.View, dy.View, dx.View);
            tape.Accumulate(x, dx);
        });
        return y;
    }
}
