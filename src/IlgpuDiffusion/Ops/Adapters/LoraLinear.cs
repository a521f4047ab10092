using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Ops;

/// y = x Wᵀ + b + s (x Aᵀ) Bᵀ.
public static class LoraLinear
{
    public static Tensor Forward(Tape tape, Tensor x, Tensor weight, Tensor? bias, Tensor down, Tensor up, float scale) => throw new NotSupportedException();
}
