using System.Diagnostics;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Diagnostics.Profiling;

/// What a device reaches on our own two loops (<see cref="Roof"/>): F32 multiply-adds a second, counted as two flops, and bytes a second of a triad far larger than the caches.
public sealed record MachineRoof(double FlopsPerSecond, double BytesPerSecond)
{
    const int Passes = 7;

    /// The best of some passes each: what the machine can, not what it does beside others.
    public static MachineRoof Measure(Device device)
    {
        // A processor's triad of 64 MB an array lies beyond the last-level cache of the machines at hand; a GPU needs more of both for a launch to be no part of the time;
        // a simulator needs seconds for what a machine does in a millisecond, and its roof is that of the simulation.
        (int threads, int rounds, int floats) = device.Name switch
        {
            "cpu" => (1 << 16, 2000, 16 << 20),
            "cuda" or "opencl" => (1 << 18, 10_000, 128 << 20),
            _ => (256, 20, 1 << 12),
        };
        double flops = Best(device, "Roof.MultiplyAdd", ("N", threads), ("rounds", rounds)), bytes = Best(device, "Roof.Triad", ("N", floats));
        return new MachineRoof(2.0 * Roof.Chains * threads * rounds / flops, 3.0 * sizeof(float) * floats / bytes);
    }

    /// The least time that the work can take under this roof, as a share of the time that it took.
    public double ShareOf(Work work, double seconds) =>
        seconds <= 0 ? 0 : Math.Max(work.Flops / FlopsPerSecond, work.Bytes / BytesPerSecond) / seconds;

    /// Flops a byte where the two limits meet.
    public double Ridge => FlopsPerSecond / BytesPerSecond;

    static double Best(Device device, string name, params (string Size, int Value)[] sizes)
    {
        TrialEntry entry = TrialCatalog.All.Single(t => t.Name == name);
        using Trial trial = new(entry, device.Kernels, sizes.ToDictionary(s => s.Size, s => s.Value));
        double best = double.PositiveInfinity;
        for (int pass = 0; pass < Passes; pass++)
        {
            long start = Stopwatch.GetTimestamp();
            trial.Launch();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return best;
    }
}
