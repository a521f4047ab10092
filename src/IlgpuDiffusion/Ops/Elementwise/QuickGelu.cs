using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Elementwise.QuickGelu;

namespace IlgpuDiffusion.Ops;

/// y = x·σ(1.702 x), the activation of OpenAI's CLIP. Keeps x.
public static class QuickGelu
{
    public static Tensor Forward(Tape tape, Tensor x) => Unary.Forward<Kernel>(tape, x);
}
