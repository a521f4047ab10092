using IlgpuDiffusion.Tensors.Rng;

namespace IlgpuDiffusion.Personalization;

/// The noise of one picture: a function of the seed and the picture's number alone, in order of drawing. The first draw is where sampling starts,
/// channels-last; stochastic samplers go on from there.
sealed class PictureNoise(ulong seed, int picture)
{
    const uint Stream = 21;

    long drawn;

    public void Fill(Span<float> destination)
    {
        new RngStream(seed, Stream, (ulong)picture).FillNormal(destination, drawn);
        drawn += destination.Length;
    }
}
