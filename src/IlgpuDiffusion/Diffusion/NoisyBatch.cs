using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tensors.Rng;

namespace IlgpuDiffusion.Diffusion;

/// Clean latents, the noise and the timestep of each sample: (B, h, w, L), channels-last, on the host.
public sealed record NoisyBatch(float[] Latents, float[] Noise, int[] Timesteps, Shape Shape)
{
    /// The noise in the network's input, where that is not the one in its target.
    public float[]? InputNoise { get; init; }

    /// What each position of every sample's loss counts for, (h, w); null is 1.
    public float[]? Mask { get; init; }

    /// Noise offset (Guttenberg 2023, "Diffusion with offset noise"): ε[b, y, x, c] + strength · z[b, c], z standard normal. A picture's mean brightness is then noised and so learned;
    /// of independent noise it is what is left to the very end.   `first`: the number of the batch's first sample in `rng`
    public NoisyBatch WithOffset(double strength, RngStream rng, int first = 0)
    {
        int channels = Shape[Shape.Rank - 1], each = Noise.Length / Shape[0];
        float[] offsets = new float[Shape[0] * channels], noise = new float[Noise.Length];
        rng.FillNormal(offsets, (long)first * channels);
        for (int i = 0; i < noise.Length; i++)
            noise[i] = Noise[i] + ((float)strength * offsets[(i / each * channels) + (i % channels)]);
        return this with { Noise = noise };
    }

    /// Input perturbation (Ning et al. 2023): x_t = α x₀ + σ (ε + γ ξ), ξ standard normal; the target stays that of ε. What the network meets when it draws has errors of its own
    /// in it, and so learns to expect some.   `first`: as for <see cref="WithOffset"/>
    public NoisyBatch WithPerturbation(double gamma, RngStream rng, int first = 0)
    {
        float[] noise = new float[Noise.Length];
        rng.FillNormal(noise, (long)first * (Noise.Length / Shape[0]));
        for (int i = 0; i < noise.Length; i++)
            noise[i] = Noise[i] + ((float)gamma * noise[i]);
        return this with { InputNoise = noise };
    }
}
