using System.Numerics;
using ILGPU;
using ILGPU.Runtime;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Common;

/// Sums in an order that depends on the length alone: tiles first, then the tiles' sums. The same bits on any number of threads.
public static class OrderedSum
{
    public const int Tile = 256;

    // Threads of the group that adds the tiles' sums: one warp, which every backend has.
    const int Threads = 32;

    /// Tiles of a sum over `count` elements: the length of the scratch that it needs.
    public static long Tiles(long count) => (count + Tile - 1) / Tile;

    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static double Forward(ReadOnlySpan<float> x, double scale)   // (N) -> scalar
        {
            double sum = 0;
            foreach (float v in x)
                sum += v;
            return scale * sum;
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    // One thread a tile. Its elements lie `tiles` apart, so that neighbouring threads read neighbouring elements.
    static void PartialKernel(Index1D i, ArrayView<float> x, float scale, ArrayView<float> partial)
    {
        float sum = 0;
        for (long at = i.X; at < x.Length; at += partial.Length)
            sum += x[at];
        partial[i] = scale * sum;
    }

    // One group: each thread adds every 32nd, then the first adds the 32.
    static void GatherKernel(ArrayView<float> partial, ArrayView<float> total)
    {
        ArrayView<float> sums = SharedMemory.Allocate<float>(Threads);
        float sum = 0;
        for (int i = Group.IdxX; i < partial.Length; i += Threads)
            sum += partial[i];
        sums[Group.IdxX] = sum;
        Group.Barrier();
        if (Group.IdxX != 0)
            return;
        sum = 0;
        for (int i = 0; i < Threads; i++)
            sum += sums[i];
        total[0] = sum;
    }

    static void FillKernel(Index1D i, ArrayView<float> value, float scale, ArrayView<float> y) => y[i] = scale * value[0];

    // ---- launchers ---------------------------------------------------------------------------------
    /// total[0] = scale·Σ x. partial: scratch of Tiles(N).
    public static unsafe void Forward(KernelContext k, ArrayView<float> x, float scale, ArrayView<float> partial, ArrayView<float> total)
    {
        using LaunchScope launch = k.Scope("OrderedSum.Forward", x.Length, Work.Of(x.Length, x.Length));
        if (k.Cpu is { } cpu)
        {
            float* px = x.Pointer(), pp = partial.Pointer();
            long count = x.Length;
            cpu.Range(partial.Length, Grain.Rows(Tile), (begin, end) =>
            {
                for (long tile = begin; tile < end; tile++)
                {
                    int n = (int)Math.Min(Tile, count - (tile * Tile));
                    Vector<float> sum = default;
                    for (int i = 0; i < n; i += Lanes.Width)
                        sum += Lanes.Load(px + (tile * Tile) + i, n - i);
                    pp[tile] = scale * Vector.Sum(sum);
                }
            });
        }
        else
        {
            k.Launch(PartialKernel, partial.Length, x, scale, partial);
        }

        Gather(k, partial, total);
    }

    /// total[0] = Σ partial.
    public static unsafe void Gather(KernelContext k, ArrayView<float> partial, ArrayView<float> total)
    {
        using LaunchScope launch = k.Scope("OrderedSum.Gather", partial.Length, Work.Of(partial.Length, partial.Length));
        if (k.Cpu is null)
        {
            k.LaunchGroups(GatherKernel, 1, Threads, partial, total);
            return;
        }

        float* pp = partial.Pointer();
        double sum = 0;
        for (long i = 0; i < partial.Length; i++)
            sum += pp[i];
        total.Pointer()[0] = (float)sum;
    }

    /// y[i] = scale·value[0]: the gradient of the sum, whose own gradient stays on the device.
    public static unsafe void Backward(KernelContext k, ArrayView<float> value, float scale, ArrayView<float> y)
    {
        using LaunchScope launch = k.Scope("OrderedSum.Backward", y.Length, Work.Of(0, y.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(FillKernel, y.Length, value, scale, y);
            return;
        }

        float* py = y.Pointer();
        float fill = scale * value.Pointer()[0];
        cpu.Range(y.Length, Grain.Elements, (begin, end) => new Span<float>(py + begin, (int)(end - begin)).Fill(fill));
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("N=3000", "OrderedSum.Partial", "OrderedSum.Gather")]
    internal static void ForwardTrial(Trial t)
    {
        const float scale = 0.7f;
        Floats x = t.Positive(t["N"]), partial = t.Scratch(Tiles(t["N"])), total = t.Result(1, Trial.SumOf(t["N"]));
        t.Run(() => Forward(t.Kernels, x, scale, partial, total), () => total.Host[0] = (float)Reference.Forward(x, scale));
    }

    [Trial("N=3000", "OrderedSum.Fill")]
    internal static void BackwardTrial(Trial t)
    {
        const float scale = 0.7f;
        Floats value = t.Normal(1), y = t.Result(t["N"], Trial.Exact);
        t.Run(() => Backward(t.Kernels, value, scale, y), () => Array.Fill(y.Host, scale * value.Host[0]));
    }
}
