using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Training.Evaluators;

/// Embeddings of pictures on the host, (N, D), computed in batches.
static class EmbeddedPictures
{
    const int Batch = 64;

    /// pictures: square RGB bytes of `size`; `embed`: (B, size, size, 3) in [−1, 1] to (B, D)
    public static float[] Of(Arena arena, IReadOnlyList<byte[]> pictures, int size, Func<Tape, Tensor, Tensor> embed)
    {
        int each = size * size * 3;
        List<float> all = [];
        for (int start = 0; start < pictures.Count; start += Batch)
        {
            int count = Math.Min(Batch, pictures.Count - start);
            float[] values = new float[count * each];
            for (int i = 0; i < values.Length; i++)
                values[i] = (pictures[start + (i / each)][i % each] / 127.5f) - 1;
            Tape tape = new(arena, recording: false);
            all.AddRange(embed(tape, tape.From(values, [count, size, size, 3])).ToArray());
            arena.Reset();
        }

        return [.. all];
    }
}
