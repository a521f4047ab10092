using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Nn;

/// A low-rank update of a linear layer, ΔW = scale · up · down. `Down` is (r, in) and `Up` is (out, r), or with a leading axis of samples,
/// (S, r, in) and (S, out, r), when each sample of the batch has its own.
public readonly record struct LowRankFactors(Tensor Down, Tensor Up, float Scale);

/// Something that adapts a linear layer: LoRA holds its factors, LiDB composes them from frozen bases, on the tape.
public interface ILowRank
{
    LowRankFactors Factors(Tape tape);
}
