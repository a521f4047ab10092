using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Elementwise.Exp;

namespace IlgpuDiffusion.Ops;

/// y = eˣ. Keeps x.
public static class Exp
{
    public static Tensor Forward(Tape tape, Tensor x) => Unary.Forward<Kernel>(tape, x);
}
