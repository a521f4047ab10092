using IlgpuDiffusion.Diffusion;

namespace IlgpuDiffusion.Personalization;

/// Where pictures start, (N, L, h, w) standard normal, and for each the source that a stochastic sampler goes on with.
public sealed record StartingNoise(float[] Latents, IReadOnlyList<NormalSource> More)
{
    /// `each`: L · h · w
    public static StartingNoise Draw(IReadOnlyList<NormalSource> sources, int each)
    {
        float[] latents = new float[sources.Count * each];
        for (int i = 0; i < sources.Count; i++)
            sources[i](latents.AsSpan(i * each, each));
        return new StartingNoise(latents, sources);
    }

    /// Our own generator's: picture i depends on the seed and i alone, so a list with and without an adapter, or cut otherwise into batches, starts from
    /// the same noise.
    public static StartingNoise Of(ulong seed, int pictures, int channels, int each) =>
        Draw([.. Enumerable.Range(0, pictures).Select(i => (NormalSource)new PictureNoise(seed, i, channels).Fill)], each);
}
