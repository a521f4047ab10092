using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Nn;

/// y = x Wᵀ + b + residual, with W (out, in); with an adapter also + s (x Aᵀ) Bᵀ, in one op.
public sealed class Linear
{
    readonly Parameter weight;
    readonly Parameter? bias;

    public Linear(WeightScope w, int inFeatures, int outFeatures, bool bias = true)
    {
        weight = w.Get("weight", [outFeatures, inFeatures]);
        this.bias = bias ? w.Get("bias", [outFeatures], fanIn: inFeatures) : null;
        w.Declare(this);
    }

    public int InFeatures => weight.Shape[1];

    public int OutFeatures => weight.Shape[0];

    public Parameter Weight => weight;

    /// The adapter on this layer, if any.
    public ILowRank? Adapter { get; set; }

    /// x: (…, in)   residual: (…, out)   returns (…, out)
    public Tensor Forward(Tape tape, Tensor x, Tensor? residual = null)
    {
        if (Adapter is null)
            return Ops.Linear.Forward(tape, x, weight, bias?.Value, residual);
        LowRankFactors f = Adapter.Factors(tape);
        return Ops.LoraLinear.Forward(tape, x, weight, bias?.Value, f.Down, f.Up, f.Scale, residual);
    }
}
