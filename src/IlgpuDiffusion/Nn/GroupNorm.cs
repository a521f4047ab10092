using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Nn;

/// Normalises each sample over pixels and the C / G channels of each group, then scales and shifts by channel.
public sealed class GroupNorm(WeightScope w, int channels, int groups, float eps)
{
    readonly Parameter weight = w.Get("weight", [channels], Init.Ones);
    readonly Parameter bias = w.Get("bias", [channels], Init.Zeros);

    /// x: (B, H, W, C) or (B, T, C)   returns the same shape, through SiLU if asked
    public Tensor Forward(Tape tape, Tensor x, bool silu = false) =>
        w.Traced(Ops.GroupNorm.Forward(tape, x, weight, bias, groups, eps, silu), silu ? "+silu" : "");
}
