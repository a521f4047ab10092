using IlgpuDiffusion.Evaluation;
using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.Tests.Evaluation;

/// A judge whose vectors anybody can compute: a picture's is at an angle of its mean red, a right angle for the most; a caption's at its length.
sealed class FakeJudge(string hash = "0123456789abcdef") : ICaptionEncoder
{
    public string Hash { get; } = hash;

    /// Pictures that it was asked about.
    public int Asked { get; private set; }

    public static double Angle(RgbImage picture) => Enumerable.Range(0, picture.Pixels.Length / 3).Average(i => (double)picture.Pixels[3 * i]) / 255 * Math.PI / 2;

    public static double Angle(string caption) => caption.Length % 30 / 30.0 * Math.PI / 2;

    public float[][] Embed(IReadOnlyList<RgbImage> pictures)
    {
        Asked += pictures.Count;
        return [.. pictures.Select(p => At(Angle(p)))];
    }

    public float[][] EmbedCaptions(IReadOnlyList<string> captions) => [.. captions.Select(c => At(Angle(c)))];

    public void Dispose()
    {
    }

    static float[] At(double angle) => [(float)Math.Cos(angle), (float)Math.Sin(angle)];
}
