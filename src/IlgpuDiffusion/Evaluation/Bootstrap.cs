using IlgpuDiffusion.Tensors.Rng;

namespace IlgpuDiffusion.Evaluation;

/// A mean with the interval that resampling gives.
public readonly record struct Interval(double Mean, double Low, double High);

/// The percentile bootstrap (Efron 1979) over people: how far a mean would move had other people been drawn.
public static class Bootstrap
{
    const uint Stream = 41;

    /// The mean of the values and its 95 % interval; the same numbers for the same values and seed. One value alone has itself as interval.
    public static Interval Mean(IReadOnlyList<double> values, int resamples = 2000, ulong seed = 1) => Ratio(values, [.. values.Select(_ => 1.0)], resamples, seed);

    /// The values' sum over that of `counts`, with its 95 % interval: a share of what each person has unequally many of. Every count is above zero.
    public static Interval Ratio(IReadOnlyList<double> values, IReadOnlyList<double> counts, int resamples = 2000, ulong seed = 1)
    {
        if (values.Count == 0)
            throw new ArgumentException("no values to resample");
        double[] ratios = new double[resamples];
        for (int r = 0; r < resamples; r++)
        {
            RngStream rng = new(seed, Stream, (ulong)r);
            double sum = 0, count = 0;
            for (int i = 0; i < values.Count; i++)
            {
                int person = rng.Integer(i, 0, values.Count);
                sum += values[person];
                count += counts[person];
            }

            ratios[r] = sum / count;
        }

        Array.Sort(ratios);
        return new Interval(values.Sum() / counts.Sum(), Quantile(ratios, 0.025), Quantile(ratios, 0.975));
    }

    // Linear between neighbours.
    static double Quantile(double[] sorted, double q)
    {
        double at = q * (sorted.Length - 1);
        int low = (int)at, high = Math.Min(low + 1, sorted.Length - 1);
        return sorted[low] + ((at - low) * (sorted[high] - sorted[low]));
    }
}
