using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Loss.SmoothL1;

namespace IlgpuDiffusion.Ops;

/// Mean smooth L1, a scalar: of d = x − target, d²/(2β) where |d| &lt; β and |d| − β/2 beyond.
public static class SmoothL1
{
    public static Tensor Forward(Tape tape, Tensor x, Tensor target, float beta = 1) => PointwiseLoss.Forward<Kernel>(tape, "SmoothL1", x, target, beta: beta);
}
