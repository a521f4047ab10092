using IlgpuDiffusion.Kernels.Embed;

namespace IlgpuDiffusion.Tests.Embed;

public class TimestepEmbeddingTests
{
    [Fact]
    public void Cosines_come_first_when_flipped_and_an_odd_dim_ends_in_zero()
    {
        float[] y = new float[5], flipped = new float[5];
        TimestepEmbedding.Forward([2], y, 5, flipSinToCos: false, shift: 0, scale: 1, maxPeriod: 10000);
        TimestepEmbedding.Forward([2], flipped, 5, flipSinToCos: true, shift: 0, scale: 1, maxPeriod: 10000);
        Assert.Equal([MathF.Sin(2), MathF.Sin(0.02f), MathF.Cos(2), MathF.Cos(0.02f), 0], y, (a, b) => MathF.Abs(a - b) < 1e-6f);
        Assert.Equal([y[2], y[3], y[0], y[1], 0], flipped);
    }
}
