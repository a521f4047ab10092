using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Embed.TimestepEmbedding;

namespace IlgpuDiffusion.Ops;

/// Sinusoidal embedding of timesteps, (B) to (B, dim); diffusers' get_timestep_embedding. SD 1.5: flipSinToCos true, shift 0.
public static class TimestepEmbedding
{
    public static Tensor Forward(
        Tape tape, ReadOnlySpan<float> timesteps, int dim, bool flipSinToCos, float shift, float scale = 1, float maxPeriod = 10000)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(dim, 1);
        float[] y = new float[checked(timesteps.Length * dim)];
        Kernel.Forward(timesteps, y, dim, flipSinToCos, shift, scale, maxPeriod);
        return tape.From(y, [timesteps.Length, dim]);
    }
}
