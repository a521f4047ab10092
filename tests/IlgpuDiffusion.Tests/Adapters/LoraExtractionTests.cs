using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.Adapters;

public sealed class LoraExtractionTests
{
    [Theory]
    [InlineData(40, 24, 3)]
    [InlineData(24, 40, 5)]
    [InlineData(6, 4, 4)]
    [InlineData(1, 8, 1)]
    public void A_change_of_that_rank_comes_out_whole(int outFeatures, int inFeatures, int rank)
    {
        AdapterModule made = new("unet", "x", rank, null, 1, RandomBasis.Gaussian(1, "down", rank * inFeatures), RandomBasis.Gaussian(1, "up", rank * outFeatures));
        float[] delta = made.Delta();

        (float[] down, float[] up, int r, double missed) = LoraExtraction.Factor(delta, outFeatures, inFeatures, rank, "x");

        Tol.Close(new AdapterModule("unet", "x", r, null, 1, down, up).Delta(), delta, 1e-6, "delta");
        Assert.InRange(missed, 0, 1e-5 * Math.Sqrt(delta.Sum(v => (double)v * v)));
    }

    [Fact]
    public void What_is_left_out_is_the_smallest_singular_values()
    {
        // Orthonormal columns and rows with known values between: the best of rank 2 misses exactly the third and fourth.
        float[] u = RandomBasis.Columns(1, "u", 30, 4), v = RandomBasis.Rows(1, "v", 4, 20);
        double[] values = [8, 4, 2, 1];
        float[] delta = new float[30 * 20];
        for (int i = 0; i < 30; i++)
        {
            for (int j = 0; j < 20; j++)
                delta[(i * 20) + j] = (float)Enumerable.Range(0, 4).Sum(k => values[k] * u[(i * 4) + k] * v[(k * 20) + j]);
        }

        double missed = LoraExtraction.Factor(delta, 30, 20, 2, "x").Missed;

        Assert.Equal(Math.Sqrt(5), missed, 1e-5);
    }
}
