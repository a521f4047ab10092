using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Ops;

/// y = x Wᵀ + b.
public static class Linear
{
    public static Tensor Forward(Tape tape, Tensor x, Tensor weight, Tensor? bias) => throw new NotSupportedException();
}
