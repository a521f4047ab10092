using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Personalization;

/// A picture to begin from: its latents, scaled, once for each picture to draw, (N, L, h, w), and how much of the way is sampled anew, 0 to 1.
public sealed record StartingPicture(float[] Latents, double Strength)
{
    /// Encodes `picture`, which is as large as the pictures to draw. Each gets its own draw from the autoencoder's distribution by its source, before any other, as in diffusers.
    public static StartingPicture Encode(DiffusionModel model, Arena arena, RgbImage picture, double strength, IReadOnlyList<NormalSource> sources, MemorySettings? memory = null)
    {
        (float[] moments, Shape shape) = Photo.Moments(model, arena, picture, memory);
        int each = (int)shape.Count, channels = shape[2];
        float[] latents = new float[sources.Count * each], noise = new float[each];
        for (int n = 0; n < sources.Count; n++)
        {
            sources[n](noise);
            for (int i = 0; i < each; i++)
            {
                int channel = i / (each / channels), at = i % (each / channels);
                float mean = moments[(at * 2 * channels) + channel], logVariance = moments[(at * 2 * channels) + channels + channel];
                latents[(n * each) + i] = model.Vae.ScalingFactor * (mean + (MathF.Exp(0.5f * Math.Clamp(logVariance, -30, 20)) * noise[i]));
            }
        }

        return new StartingPicture(latents, strength);
    }
}
