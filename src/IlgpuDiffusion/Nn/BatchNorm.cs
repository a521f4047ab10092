using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Nn;

/// Batch norm in evaluation, with stored statistics.
public sealed class BatchNorm(WeightScope w, int channels, float eps = 1e-5f)
{
    readonly Parameter weight = w.Get("weight", [channels], Init.Ones);
    readonly Parameter bias = w.Get("bias", [channels], Init.Zeros);
    readonly Parameter runningMean = w.Get("running_mean", [channels], Init.Zeros);
    readonly Parameter runningVar = w.Get("running_var", [channels], Init.Ones);

    /// x: (…, C)   returns (…, C)
    public Tensor Forward(Tape tape, Tensor x) => Ops.BatchNorm.Forward(tape, x, weight, bias, runningMean, runningVar, eps);
}
