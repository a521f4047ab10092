using System.Diagnostics;

namespace IlgpuDiffusion.Diagnostics.Profiling;

/// Median time of one call and half the distance between the quartiles, in microseconds.
public readonly record struct Timing(double MedianUs, double SpreadUs)
{
    const int Samples = 11;

    // A call of a second or more is its own average.
    const int LongSamples = 5;
    const double LongUs = 1e6;
    const double SampleSeconds = 0.03;
    const double WarmUpSeconds = 1.5;

    // .NET compiles a method well after some 30 calls, twice where it counts first, and each time begins only when nothing new was called for a tenth of a second.
    const int WarmUpCalls = 40;
    const double TieringSeconds = 0.6;
    const int LongWarmUpCalls = 3;

    public static Timing Of(double[] samples)
    {
        double[] sorted = [.. samples.Order()];
        return new Timing(At(0.5), (At(0.75) - At(0.25)) / 2);

        double At(double share)
        {
            double position = share * (sorted.Length - 1);
            int below = (int)position;
            return sorted[below] + ((position - below) * (sorted[Math.Min(below + 1, sorted.Length - 1)] - sorted[below]));
        }
    }

    /// Times an action by itself, warm.
    public static Timing Of(Action action)
    {
        int calls = WarmUp(action);
        List<double> samples = [];
        do
            samples.Add(Sample(action, calls));
        while (samples.Count < (samples[0] < LongUs ? Samples : LongSamples));
        return Of([.. samples]);
    }

    /// Times two actions in turn (A B A B …), so that a change of the machine's clock or load meets both.
    public static (Timing First, Timing Second) Of(Action first, Action second)
    {
        int firstCalls = WarmUp(first), secondCalls = WarmUp(second);
        List<double> a = [], b = [];
        do
        {
            a.Add(Sample(first, firstCalls));
            b.Add(Sample(second, secondCalls));
        }
        while (a.Count < (a[0] < LongUs ? Samples : LongSamples));
        return (Of([.. a]), Of([.. b]));
    }

    /// Returns how many calls make a sample.
    static int WarmUp(Action action)
    {
        Stopwatch watch = Stopwatch.StartNew();
        int calls = 0;
        while (calls < LongWarmUpCalls || (watch.Elapsed.TotalSeconds < WarmUpSeconds && (calls < WarmUpCalls || watch.Elapsed.TotalSeconds < TieringSeconds)))
        {
            action();
            calls++;
        }

        watch.Restart();
        action();
        return (int)Math.Clamp(SampleSeconds / watch.Elapsed.TotalSeconds, 1, 1000);
    }

    static double Sample(Action action, int calls)
    {
        // Untimed: brings this side's data back into the caches, and outlasts the other side's workers while they still spin.
        action();
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < calls; i++)
            action();
        return Stopwatch.GetElapsedTime(start).TotalMicroseconds / calls;
    }
}
