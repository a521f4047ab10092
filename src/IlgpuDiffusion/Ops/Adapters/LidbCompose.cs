using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Ops;

/// LiDB (HyperDreamBooth, section 4.1): a LoRA whose factors are products of a basis, frozen or not, and a small trained part.
/// In the row convention of the paper x A_aux A_train B_train B_aux; in LoRA's, down = A_trainᵀ A_auxᵀ and up = B_auxᵀ B_trainᵀ.
public static class LidbCompose
{
    /// A_aux (in, a), A_train (a, r), B_train (r, b), B_aux (b, out)   returns down (r, in) and up (out, r).
    public static (Tensor Down, Tensor Up) Forward(Tape tape, Tensor aAux, Tensor aTrain, Tensor bTrain, Tensor bAux) =>
        (Down(tape, aAux, aTrain), Up(tape, bTrain, bAux));

    /// A_aux (in, a), A_train (a, r)   returns down (r, in). With A_train (S, a, r), one for each sample: (S, r, in).
    public static Tensor Down(Tape tape, Tensor aAux, Tensor aTrain)
    {
        if (aTrain.Shape.Rank == 2)
            return MatMul.Forward(tape, aTrain, aAux, transposeA: true, transposeB: true);
        (int samples, int a, int rank) = (aTrain.Shape[0], aTrain.Shape[1], aTrain.Shape[2]);
        // All samples' rows meet the basis in one product, so its gradient is one product too.
        Tensor rows = Reshape.Forward(tape, Swapped(tape, aTrain), [samples * rank, a]);
        return Reshape.Forward(tape, MatMul.Forward(tape, rows, aAux, transposeB: true), [samples, rank, aAux.Shape[0]]);
    }

    /// B_train (r, b), B_aux (b, out)   returns up (out, r). With B_train (S, r, b): (S, out, r).
    public static Tensor Up(Tape tape, Tensor bTrain, Tensor bAux)
    {
        if (bTrain.Shape.Rank == 2)
            return MatMul.Forward(tape, bAux, bTrain, transposeA: true, transposeB: true);
        (int samples, int rank, int b) = (bTrain.Shape[0], bTrain.Shape[1], bTrain.Shape[2]);
        Tensor rows = MatMul.Forward(tape, Reshape.Forward(tape, bTrain, [samples * rank, b]), bAux);
        return Swapped(tape, Reshape.Forward(tape, rows, [samples, rank, bAux.Shape[1]]));
    }

    // (S, m, n) as (S, n, m); with one row or column the memory is the same.
    static Tensor Swapped(Tape tape, Tensor x) => x.Shape[1] == 1 || x.Shape[2] == 1
        ? Reshape.Forward(tape, x, [x.Shape[0], x.Shape[2], x.Shape[1]])
        : Permute.Forward(tape, x, 0, 2, 1);
}
