namespace IlgpuDiffusion.Kernels.Embed;

/// Sinusoidal embedding of timesteps, half = dim / 2 frequencies f_i = exp(−ln(maxPeriod)·i / (half − shift)):
///   y = [sin(scale·t·f), cos(scale·t·f)], cosines first where `flipSinToCos`, one 0 at the end where dim is odd.
/// Computed on the host, some thousand numbers a step, in float32 with diffusers' order of operations: at t = 999 the rounding of t·f
/// alone is 5e-5, so more precision would be further from what the weights were trained with.
public static class TimestepEmbedding
{
    public static void Forward(
        ReadOnlySpan<float> timesteps,   // (B)
        Span<float> y,                   // (B, dim)
        int dim,
        bool flipSinToCos,
        float shift,
        float scale,
        float maxPeriod)
    {
        int half = dim / 2, sin = flipSinToCos ? half : 0, cos = half - sin;
        float rate = (float)-Math.Log(maxPeriod);
        y.Clear();
        for (int i = 0; i < half; i++)
        {
            float frequency = MathF.Exp(rate * i / (half - shift));
            for (int b = 0; b < timesteps.Length; b++)
            {
                float angle = scale * (timesteps[b] * frequency);
                y[(b * dim) + sin + i] = MathF.Sin(angle);
                y[(b * dim) + cos + i] = MathF.Cos(angle);
            }
        }
    }
}
