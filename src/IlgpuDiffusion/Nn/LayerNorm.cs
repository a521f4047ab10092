using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Nn;

/// Normalises each row over its D features, then scales and shifts by feature.
public sealed class LayerNorm(WeightScope w, int features, float eps = 1e-5f)
{
    readonly Parameter weight = w.Get("weight", [features], Init.Ones);
    readonly Parameter bias = w.Get("bias", [features], Init.Zeros);

    /// x: (…, D)   returns (…, D)
    public Tensor Forward(Tape tape, Tensor x) => Ops.LayerNorm.Forward(tape, x, weight, bias, eps);
}
