using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Elementwise.Tanh;

namespace IlgpuDiffusion.Ops;

/// y = tanh(x). Keeps x.
public static class Tanh
{
    public static Tensor Forward(Tape tape, Tensor x) => Unary.Forward<Kernel>(tape, x);
}
