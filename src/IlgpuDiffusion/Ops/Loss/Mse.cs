using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Loss.Mse;

namespace IlgpuDiffusion.Ops;

/// Mean squared error, a scalar: the mean of (x − target)² over all elements, with a mask over what it selects (Σ m·d² / Σ m; the mask has
/// x's shape, or 1 on the last axis). With sample weights: the mean over the batch of w[b] times the mean over sample b (min-SNR weighting).
public static class Mse
{
    public static Tensor Forward(Tape tape, Tensor x, Tensor target, Tensor? mask = null, ReadOnlySpan<float> sampleWeights = default) =>
        PointwiseLoss.Forward<Kernel>(tape, "Mse", x, target, mask, sampleWeights);
}
