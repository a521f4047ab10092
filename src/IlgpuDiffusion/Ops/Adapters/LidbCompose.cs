using ILGPU.Runtime;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Ops;

/// LiDB (HyperDreamBooth, section 4.1): a LoRA whose factors are products of a frozen basis and a small trained part.
/// In the row convention of the paper x A_aux A_train B_train B_aux; in LoRA's, down = A_trainᵀ A_auxᵀ and up = B_auxᵀ B_trainᵀ.
public static class LidbCompose
{
    /// A_aux (in, a), A_train (a, r), B_train (r, b), B_aux (b, out)   returns down (r, in) and up (out, r).
    public static (Tensor Down, Tensor Up) Forward(Tape tape, Tensor aAux, Tensor aTrain, Tensor bTrain, Tensor bAux) =>
        (Down(tape, aAux, aTrain), Up(tape, bTrain, bAux));

    /// A_aux (in, a), A_train (a, r)   returns down (r, in). With A_train (S, a, r), one for each sample: (S, r, in).
    public static Tensor Down(Tape tape, Tensor aAux, Tensor aTrain) => aTrain.Shape.Rank == 2
        ? MatMul.Forward(tape, aTrain, aAux, transposeA: true, transposeB: true)
        : MatMul.Forward(tape, aTrain, Repeat(tape, aAux, aTrain.Shape[0]), transposeA: true, transposeB: true);

    /// B_train (r, b), B_aux (b, out)   returns up (out, r). With B_train (S, r, b): (S, out, r).
    public static Tensor Up(Tape tape, Tensor bTrain, Tensor bAux) => bTrain.Shape.Rank == 2
        ? MatMul.Forward(tape, bAux, bTrain, transposeA: true, transposeB: true)
        : MatMul.Forward(tape, Repeat(tape, bAux, bTrain.Shape[0]), bTrain, transposeA: true, transposeB: true);

    // The basis is frozen, so its copies need no gradient.
    static Tensor Repeat(Tape tape, Tensor basis, int samples)
    {
        Tensor copies = tape.New([samples, .. basis.Shape.Dims]);
        for (int i = 0; i < samples; i++)
            basis.View.CopyTo(copies.View.SubView(i * basis.Count, basis.Count));
        return copies;
    }
}
