using System.Diagnostics;

namespace IlgpuDiffusion.Peers;

/// Median time of one call and half the distance between the quartiles, in microseconds.
readonly record struct Timing(double MedianUs, double SpreadUs)
{
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
}

/// Two programs that do the same, timed in turn (A B A B …), so that a change of the machine's clock or load meets both.
static class Duel
{
    const int Samples = 11;
    const double SampleSeconds = 0.03;
    const double WarmUpSeconds = 1.5;

    // .NET compiles a loop well after some 30 calls of the method that holds it.
    const int WarmUpCalls = 40;
    const int LongWarmUpCalls = 3;

    public static (Timing Ours, Timing Peer) Run(Action ours, Action peer)
    {
        int oursCalls = WarmUp(ours), peerCalls = WarmUp(peer);
        double[] a = new double[Samples], b = new double[Samples];
        for (int i = 0; i < Samples; i++)
        {
            a[i] = Sample(ours, oursCalls);
            b[i] = Sample(peer, peerCalls);
        }

        return (Timing.Of(a), Timing.Of(b));
    }

    /// Returns how many calls make a sample.
    static int WarmUp(Action action)
    {
        Stopwatch watch = Stopwatch.StartNew();
        int calls = 0;
        while (calls < LongWarmUpCalls || (calls < WarmUpCalls && watch.Elapsed.TotalSeconds < WarmUpSeconds))
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
