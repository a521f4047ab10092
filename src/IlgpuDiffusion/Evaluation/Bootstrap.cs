using IlgpuDiffusion.Tensors.Rng;

namespace IlgpuDiffusion.Evaluation;

/// A mean with the interval that resampling gives.
public readonly record struct Interval(double Mean, double Low, double High);

/// The percentile bootstrap (Efron 1979) over people: how far a mean would move had other people been drawn.
public static class Bootstrap
{
    const uint Stream = 41;

    /// The mean of the values and its 95 % interval; the same numbers for the same values and seed. One value alone has itself as interval.
    public static Interval Mean(IReadOnlyList<double> values, int resamples = 2000, ulong seed = 1)
    {
        if (values.Count == 0)
            throw new ArgumentException("no values to resample");
        double[] means = new double[resamples];
        for (int r = 0; r < resamples; r++)
        {
            RngStream rng = new(seed, Stream, (ulong)r);
            double sum = 0;
            for (int i = 0; i < values.Count; i++)
                sum += values[rng.Integer(i, 0, values.Count)];
            means[r] = sum / values.Count;
        }

        Array.Sort(means);
        return new Interval(values.Average(), Quantile(means, 0.025), Quantile(means, 0.975));
    }

    // Linear between neighbours.
    static double Quantile(double[] sorted, double q)
    {
        double at = q * (sorted.Length - 1);
        int low = (int)at, high = Math.Min(low + 1, sorted.Length - 1);
        return sorted[low] + ((at - low) * (sorted[high] - sorted[low]));
    }
}
