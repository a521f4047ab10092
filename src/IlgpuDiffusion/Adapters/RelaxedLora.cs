using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;

namespace IlgpuDiffusion.Adapters;

/// The rank-relaxed update of HyperDreamBooth, section 4.3: what was predicted, frozen, and a LoRA of rank r that is trained,
///
///     ΔW = up·down + B·A
///
/// stacked into one update of rank 1 + r, so that one kernel applies both and one file holds both. B starts at zero: the first step is the prediction alone.
/// Rank 0 is the prediction and nothing else.
public sealed class RelaxedLora : ILowRank
{
    readonly Parameter predictedDown, predictedUp;
    readonly Lora? lora;

    public RelaxedLora(WeightScope trained, WeightScope frozen, int inFeatures, int outFeatures, int rank)
    {
        predictedDown = frozen.Get("down", [1, inFeatures]);
        predictedUp = frozen.Get("up", [outFeatures, 1]);
        lora = rank == 0 ? null : new Lora(trained, inFeatures, outFeatures, rank, rank);
    }

    public Parameter PredictedDown => predictedDown;

    public Parameter PredictedUp => predictedUp;

    /// What is trained.
    public Lora? Lora => lora;

    public LowRankFactors Factors(Tape tape)
    {
        if (lora is null)
            return new LowRankFactors(predictedDown, predictedUp, 1);
        LowRankFactors own = lora.Factors(tape);
        return new LowRankFactors(Ops.Concat.Forward(tape, predictedDown, own.Down, axis: 0), Ops.Concat.Forward(tape, predictedUp, own.Up, axis: 1), own.Scale);
    }
}
