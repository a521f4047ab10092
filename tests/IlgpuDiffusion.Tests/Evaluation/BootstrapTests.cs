using IlgpuDiffusion.Evaluation;
using IlgpuDiffusion.Tensors.Rng;

namespace IlgpuDiffusion.Tests.Evaluation;

public class BootstrapTests
{
    [Fact]
    public void The_interval_is_that_of_the_normal_approximation_for_many_values()
    {
        float[] values = new float[400];
        new RngStream(3, 1, 0).FillNormal(values);
        Interval interval = Bootstrap.Mean([.. values.Select(v => 5.0 + v)]);
        double mean = values.Average(v => (double)v), deviation = Math.Sqrt(values.Average(v => (v - mean) * (v - mean)));
        Assert.Equal(5 + mean, interval.Mean, 1e-6);
        // 2,000 resamples leave about 3 % of the half width.
        double half = 1.96 * deviation / 20;
        Assert.Equal(5 + mean - half, interval.Low, 0.1 * half);
        Assert.Equal(5 + mean + half, interval.High, 0.1 * half);
        Assert.Equal(interval, Bootstrap.Mean([.. values.Select(v => 5.0 + v)]));
        Assert.Equal(new Interval(2, 2, 2), Bootstrap.Mean([2]));
    }

    [Fact]
    public void Leave_one_out_ridge_is_what_leaving_out_one_by_one_gives()
    {
        (float[][] x, float[][] y) = Data(noise: 0.5f);
        RidgeLearnability result = RidgeLearnability.Of(x, y);
        Assert.InRange(result.ExplainedByRidge, result.ExplainedByMean, 1);
        // The mean of the others, computed by leaving out.
        double error = 0, energy = 0;
        for (int i = 0; i < x.Length; i++)
        {
            for (int j = 0; j < y[0].Length; j++)
            {
                double others = y.Where((_, k) => k != i).Average(row => (double)row[j]);
                error += (y[i][j] - others) * (y[i][j] - others);
                energy += (double)y[i][j] * y[i][j];
            }
        }

        Assert.Equal(1 - (error / energy), result.ExplainedByMean, 1e-6);
    }

    [Fact]
    public void What_is_a_linear_function_of_the_features_is_explained_and_what_is_not_is_not()
    {
        (float[][] x, float[][] y) = Data(noise: 0);
        Assert.True(RidgeLearnability.Of(x, y).ExplainedByRidge > 0.99);
        float[][] noise = [.. Enumerable.Range(0, 40).Select(i => Normal(8, (uint)(100 + i)))];
        Assert.True(RidgeLearnability.Of(x, noise).ExplainedByRidge < 0.2);
    }

    // 40 people, 3 features, 8 outputs: y = x·M + 2 + noise
    static (float[][] X, float[][] Y) Data(float noise)
    {
        float[] m = Normal(24, 1);
        float[][] x = [.. Enumerable.Range(0, 40).Select(i => Normal(3, (uint)(10 + i)))];
        float[][] y =
        [
            .. x.Select((row, i) =>
            {
                float[] extra = Normal(8, (uint)(200 + i));
                return Enumerable.Range(0, 8).Select(j => 2 + (noise * extra[j]) + row.Select((v, k) => v * m[(k * 8) + j]).Sum()).ToArray();
            }),
        ];
        return (x, y);
    }

    static float[] Normal(int count, uint stream)
    {
        float[] values = new float[count];
        new RngStream(9, stream, 0).FillNormal(values);
        return values;
    }
}
