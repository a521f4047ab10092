using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using ByTanh = IlgpuDiffusion.Kernels.Elementwise.GeluTanh;
using Exact = IlgpuDiffusion.Kernels.Elementwise.Gelu;

namespace IlgpuDiffusion.Ops;

/// y = x·Φ(x), exactly by erf, or by torch's tanh approximation. Keeps x.
public static class Gelu
{
    public static Tensor Forward(Tape tape, Tensor x, bool tanh = false) => tanh ? Unary.Forward<ByTanh>(tape, x) : Unary.Forward<Exact>(tape, x);
}
