using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Nn;

/// A table of V rows of D numbers, looked up by id.
public sealed class Embedding(WeightScope w, int count, int features)
{
    readonly Parameter weight = w.Get("weight", [count, features], Init.Embedding);

    public Parameter Weight => weight;

    /// ids: `shape` of them   returns (shape…, D)   Errors: an id outside 0 … V − 1.
    public Tensor Forward(Tape tape, ReadOnlySpan<int> ids, Shape shape)
    {
        foreach (int id in ids)
        {
            if ((uint)id >= (uint)count)
                throw new IlgdException($"{weight.Name}: id {id} is outside 0 to {count - 1}; is the tokenizer that of this model?");
        }

        return Ops.TokenEmbedding.Forward(tape, ids, shape, weight);
    }
}
