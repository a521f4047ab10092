using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.Evaluation;

/// A network that turns pictures into vectors whose cosines say how alike they are.
public interface IPictureEncoder : IDisposable
{
    /// Of everything that its numbers depend on: what was measured with it is known again by that.
    string Hash { get; }

    /// One vector a picture, of no particular length.
    float[][] Embed(IReadOnlyList<RgbImage> pictures);
}

/// One that puts captions into the same space.
public interface ICaptionEncoder : IPictureEncoder
{
    float[][] EmbedCaptions(IReadOnlyList<string> captions);
}
