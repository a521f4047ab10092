using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Elementwise.Relu;

namespace IlgpuDiffusion.Ops;

/// y = max(x, 0). Keeps x.
public static class Relu
{
    public static Tensor Forward(Tape tape, Tensor x) => Unary.Forward<Kernel>(tape, x);
}
