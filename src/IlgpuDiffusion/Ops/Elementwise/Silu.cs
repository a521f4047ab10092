using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Elementwise.Silu;

namespace IlgpuDiffusion.Ops;

/// y = x·σ(x). Keeps x.
public static class Silu
{
    public static Tensor Forward(Tape tape, Tensor x) => Unary.Forward<Kernel>(tape, x);
}
