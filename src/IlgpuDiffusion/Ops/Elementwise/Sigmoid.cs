using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Elementwise.Sigmoid;

namespace IlgpuDiffusion.Ops;

/// y = 1/(1 + e⁻ˣ). Keeps x.
public static class Sigmoid
{
    public static Tensor Forward(Tape tape, Tensor x) => Unary.Forward<Kernel>(tape, x);
}
