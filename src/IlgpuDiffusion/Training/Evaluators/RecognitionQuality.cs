using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Data.World;
using IlgpuDiffusion.Evaluation;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Training.Evaluators;

/// How well an embedding finds people again that no training saw: rendered ones in other contexts, painted ones, and real ones smiling.
static class RecognitionQuality
{
    const int People = 100;

    public static IEnumerable<(string Key, double Value)> Measure(Arena arena, int size, Func<Tape, Tensor, Tensor> embed, PhotoSet photos)
    {
        float[] first = Rendered(0, styled: false);
        int width = first.Length / People;
        Similarity plain = new(first, Rendered(1, styled: false), width), styled = new(first, Rendered(2, styled: true), width);
        yield return ("rendered/auc", plain.Auc);
        yield return ("rendered/rank1_of_100", plain.Rank1);
        yield return ("styled/auc", styled.Auc);
        yield return ("styled/rank1_of_100", styled.Rank1);

        IReadOnlyList<(Photo Neutral, Photo Smiling)> pairs = HeldOutPictures.Pairs(photos);
        if (pairs.Count == 0)
            yield break;
        float[] neutral = EmbeddedPictures.Of(arena, [.. pairs.Select(p => HeldOutPictures.Real(p.Neutral, size))], size, embed);
        float[] smiling = EmbeddedPictures.Of(arena, [.. pairs.Select(p => HeldOutPictures.Real(p.Smiling, size))], size, embed);
        Similarity real = new(neutral, smiling, width);
        yield return ("real/auc", real.Auc);
        yield return ($"real/rank1_of_{pairs.Count}", real.Rank1);
        yield return ("real/same", real.Same.Average());
        yield return ("real/different", real.Different.Average());

        float[] Rendered(int take, bool styled) => EmbeddedPictures.Of(
            arena, [.. Enumerable.Range(0, People).Select(i => HeldOutPictures.Rendered(i, HeldOutPictures.Context(i, take, styled), take, size))], size, embed);
    }
}
