using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Tensors.Rng;

namespace IlgpuDiffusion.Personalization;

/// The noise of one picture: a function of the seed and the picture's number alone, in order of drawing. The first draw is where sampling starts;
/// stochastic samplers go on from there.
sealed class PictureNoise(ulong seed, int picture, int channels)
{
    const uint Stream = 21;

    long drawn;

    /// destination: (L, h, w), drawn pixel by pixel
    public void Fill(Span<float> destination)
    {
        float[] pixels = new float[destination.Length];
        new RngStream(seed, Stream, (ulong)picture).FillNormal(pixels, drawn);
        drawn += pixels.Length;
        ChannelOrder.ToFirst(pixels, 1, channels).CopyTo(destination);
    }
}
