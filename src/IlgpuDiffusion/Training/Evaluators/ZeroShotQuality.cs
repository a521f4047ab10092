using System.Numerics.Tensors;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Data.World;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Training.Evaluators;

/// Zero-shot classification as of CLIP: the nearest of a few captions. For each kind of context, pictures of unseen people that show each class equally often
/// and are plain in everything else.
static class ZeroShotQuality
{
    const int EachClass = 25;

    static readonly (string Key, FaceContext[] Classes)[] Questions =
    [
        ("style", [.. Enum.GetValues<Style>().Select(s => new FaceContext(Style: s))]),
        ("background", [.. Enum.GetValues<Background>().Select(b => new FaceContext(Background: b))]),
        ("expression", [.. Enum.GetValues<Expression>().Select(e => new FaceContext(Expression: e))]),
        ("accessory", [.. Enum.GetValues<Accessory>().Select(a => new FaceContext(Accessory: a))]),
    ];

    public static IEnumerable<(string Key, double Value)> Measure(Arena arena, ConvEncoder pictures, ClipTextModel texts, Func<string, int[]> encode)
    {
        foreach ((string key, FaceContext[] classes) in Questions)
        {
            string[] captions = [.. classes.Select(Captions.Of)];
            float[] ofTexts = Texts(captions);
            int width = ofTexts.Length / captions.Length, right = 0;
            byte[][] shown = [.. classes.SelectMany((context, c) => Enumerable.Range(0, EachClass).Select(i => HeldOutPictures.Rendered((c * EachClass) + i, context, 3, pictures.ImageSize)))];
            float[] ofPictures = EmbeddedPictures.Of(arena, shown, pictures.ImageSize, (tape, x) => pictures.Forward(tape, x).Embedding);
            for (int i = 0; i < shown.Length; i++)
            {
                double[] scores =
                [
                    .. captions.Select((_, c) => (double)TensorPrimitives.CosineSimilarity<float>(ofPictures.AsSpan(i * width, width), ofTexts.AsSpan(c * width, width))),
                ];
                if (Array.IndexOf(scores, scores.Max()) == i / EachClass)
                    right++;
            }

            yield return ($"zero_shot/{key}", right / (double)shown.Length);
        }

        float[] Texts(string[] captions)
        {
            Tape tape = new(arena, recording: false);
            int[] ids = [.. captions.SelectMany(encode)];
            float[] embedded = texts.Pool(tape, texts.Forward(tape, ids, captions.Length), ids).ToArray();
            arena.Reset();
            return embedded;
        }
    }
}
