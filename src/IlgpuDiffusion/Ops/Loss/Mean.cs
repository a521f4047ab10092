using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Ops;

/// The mean of all elements, a scalar. Keeps nothing.
public static class Mean
{
    public static Tensor Forward(Tape tape, Tensor x) => Sum.Scaled(tape, x, 1f / x.Count);
}
