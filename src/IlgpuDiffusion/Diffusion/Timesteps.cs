using IlgpuDiffusion.Tensors.Rng;

namespace IlgpuDiffusion.Diffusion;

/// Timesteps for training.
public static class Timesteps
{
    /// One uniform draw from each of `count` equal parts of 0 … total − 1, ascending: the loss of a small batch then varies much less than with
    /// independent draws.
    public static int[] Stratified(RngStream rng, int count, int total)
    {
        int[] t = new int[count];
        for (int i = 0; i < count; i++)
            t[i] = Math.Min(total - 1, (int)((i + rng.Uniform(i)) * total / count));
        return t;
    }
}
