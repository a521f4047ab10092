using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Loss.L1;

namespace IlgpuDiffusion.Ops;

/// Mean absolute error, a scalar: the mean of |x − target|.
public static class L1
{
    public static Tensor Forward(Tape tape, Tensor x, Tensor target) => PointwiseLoss.Forward<Kernel>(tape, "L1", x, target);
}
