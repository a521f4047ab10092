using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Adapters;

/// Lightweight DreamBooth (HyperDreamBooth, section 4.1): ΔWᵀ = A_aux·A_train·B_train·B_aux. A_aux (in, a) has orthonormal columns and B_aux (b, out)
/// orthonormal rows; both are random, made from a seed and frozen. A_train (a, r) and B_train (r, b) are learned: r·(a + b) numbers a layer.
/// A_train starts as unit columns and B_train at zero: with both at zero neither would ever get a gradient.
public sealed class Lidb(WeightScope trained, WeightScope frozen, int inFeatures, int outFeatures, int a, int b, int rank) : ILowRank
{
    readonly Parameter aTrain = trained.Get("A_train", [a, rank]);
    readonly Parameter bTrain = trained.Get("B_train", [rank, b], Init.Zeros);
    readonly Parameter aAux = frozen.Get("A_aux", [inFeatures, a]);
    readonly Parameter bAux = frozen.Get("B_aux", [b, outFeatures]);

    public Parameter ATrain => aTrain;

    public Parameter BTrain => bTrain;

    public Parameter AAux => aAux;

    public Parameter BAux => bAux;

    public LowRankFactors Factors(Tape tape)
    {
        (Tensor down, Tensor up) = Ops.LidbCompose.Forward(tape, aAux, aTrain, bTrain, bAux);
        return new LowRankFactors(down, up, 1);
    }
}
