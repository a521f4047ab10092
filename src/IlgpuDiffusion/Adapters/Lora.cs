using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;

namespace IlgpuDiffusion.Adapters;

/// LoRA (Hu et al. 2022, eq. 3): ΔW = (α/r)·B·A with A (r, in) and B (out, r). B starts at zero, so ΔW does.
public sealed class Lora(WeightScope w, int inFeatures, int outFeatures, int rank, float alpha) : ILowRank
{
    readonly Parameter down = w.Get("down", [rank, inFeatures]);
    readonly Parameter up = w.Get("up", [outFeatures, rank], Init.Zeros);

    public Parameter Down => down;

    public Parameter Up => up;

    public LowRankFactors Factors(Tape tape) => new(down, up, alpha / rank);
}
