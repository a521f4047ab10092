using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Kernels.Norm;

/// The `cpu` version. x is read in tiles of pixels, each row of channels in order, as it lies in memory; constants of a channel are read with it, from the first-level cache. Tiles leave
/// per-channel sums behind, which are added up in double and in order, so the result has the same bits however tiles are shared out.
/// x is read twice and y written once. What is left is the sigmoid, so vectors are as long as the processor has them.
public static unsafe partial class GroupNorm
{
    // A tile is small enough to be worth sharing out, and long enough that a column's constants are loaded seldom.
    const int TileElements = 16384, MinTilePixels = 16;

    // The sums of a tile are in float32 about its first pixel; their error is at most this many roundings.
    const int MaxTilePixels = 128;

    // With at least this many samples one task takes a whole sample, which then stays in the second-level cache between the passes.
    const int SamplesToShareOut = 8;

    static int TilePixels(Dims d) => Math.Clamp(TileElements / d.C, MinTilePixels, MaxTilePixels);

    static int Tiles(Dims d) => (d.P + TilePixels(d) - 1) / TilePixels(d);

    // Partial sums (B, tiles, 2, C).
    static long CpuForwardScratch(Dims d) => 2L * d.B * Tiles(d) * d.C;

    /// Runs tile(b, t) for all tiles of all samples, then group(b, g), then last(b, t).
    static void Schedule(CpuPool cpu, Dims d, Action<int, int> tile, Action<int, int> group, Action<int, int>? last)
    {
        int tiles = Tiles(d);
        if (d.B >= SamplesToShareOut)
        {
            cpu.For(d.B, b =>
            {
                for (int t = 0; t < tiles; t++)
                    tile(b, t);
                for (int g = 0; g < d.G; g++)
                    group(b, g);
                for (int t = 0; last is not null && t < tiles; t++)
                    last(b, t);
            });
            return;
        }

        int all = d.B * tiles;
        cpu.For(all, i => tile(i / tiles, i % tiles));
        cpu.For(d.B * d.G, i => group(i / d.G, i % d.G));

        // From the end, because what was read last is still in the caches.
        if (last is not null)
            cpu.For(all, i => last((all - 1 - i) / tiles, (all - 1 - i) % tiles));
    }

    static void CpuForward(
        CpuPool cpu,
        ArrayView<float> x,
        ArrayView<float> weight,
        ArrayView<float> bias,
        ArrayView<float> y,
        ArrayView<float> stats,
        ArrayView<float> scratch,
        Dims d,
        float eps,
        bool silu)
    {
        int c = d.C, tiles = Tiles(d), tilePixels = TilePixels(d);
        float* px = x.Pointer(), pw = weight.Pointer(), pb = bias.Pointer(), py = y.Pointer(), pstats = stats.Pointer(), partials = scratch.Pointer();
        Schedule(
            cpu,
            d,
            (b, t) =>
            {
                int first = t * tilePixels, pixels = Math.Min(tilePixels, d.P - first);
                float* from = px + ((((long)b * d.P) + first) * c), to = partials + (2L * ((b * tiles) + t) * c);
                int i = 0;
                for (; Vector512.IsHardwareAccelerated && i + (4 * Wide512.Count) <= c; i += 4 * Wide512.Count)
                    FourMoments(from + i, c, pixels, to + i);
                for (; i + Pair.Count <= c; i += Pair.Count)
                    Moments<Pair>(from + i, c, pixels, to + i);
                for (; i + Wide.Count <= c; i += Wide.Count)
                    Moments<Wide>(from + i, c, pixels, to + i);
                for (; i < c; i++)
                    Moments<Narrow>(from + i, c, pixels, to + i);
            },
            (b, g) => Statistics(px + ((long)b * d.P * c), partials + (2L * b * tiles * c), pstats + ((long)Stats * b * c), g, d, eps),
            (b, t) =>
            {
                int first = t * tilePixels, pixels = Math.Min(tilePixels, d.P - first);
                long at = (((long)b * d.P) + first) * c;
                float* k = pstats + ((long)Stats * b * c);
                Apply(px + at, py + at, c, pixels, k, pw, pb, silu);
            });
    }

    // Σ (x − x₀) and Σ (x − x₀)² over a tile, x₀ its first pixel: one pass, and no sample lies further than √n·std from the mean, so that
    // the variance loses at most n roundings however big the mean is.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Moments<T>(float* x, int c, int pixels, float* to)
        where T : struct, ILanes<T>
    {
        T shift = T.Load(x), sum0 = T.All(0), sum1 = T.All(0), squares0 = T.All(0), squares1 = T.All(0);
        int p = 0;
        for (; p + 2 <= pixels; p += 2, x += 2L * c)
        {
            T d0 = T.Load(x) - shift, d1 = T.Load(x + c) - shift;
            sum0 += d0;
            sum1 += d1;
            squares0 = T.MultiplyAdd(d0, d0, squares0);
            squares1 = T.MultiplyAdd(d1, d1, squares1);
        }

        if (p < pixels)
        {
            T d0 = T.Load(x) - shift;
            sum0 += d0;
            squares0 = T.MultiplyAdd(d0, d0, squares0);
        }

        (sum0 + sum1).Store(to);
        (squares0 + squares1).Store(to + c);
    }

    // The same for four vectors of channels side by side: a step reads four whole cache lines in order.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void FourMoments(float* x, int c, int pixels, float* to)
    {
        const int n = 16;
        Vector512<float> shift0 = Vector512.Load(x), shift1 = Vector512.Load(x + n), shift2 = Vector512.Load(x + (2 * n)), shift3 = Vector512.Load(x + (3 * n));
        Vector512<float> sum0 = default, sum1 = default, sum2 = default, sum3 = default, squares0 = default, squares1 = default, squares2 = default, squares3 = default;
        for (int p = 0; p < pixels; p++, x += c)
        {
            Vector512<float> d0 = Vector512.Load(x) - shift0, d1 = Vector512.Load(x + n) - shift1, d2 = Vector512.Load(x + (2 * n)) - shift2, d3 = Vector512.Load(x + (3 * n)) - shift3;
            sum0 += d0;
            sum1 += d1;
            sum2 += d2;
            sum3 += d3;
            squares0 = Vector512.FusedMultiplyAdd(d0, d0, squares0);
            squares1 = Vector512.FusedMultiplyAdd(d1, d1, squares1);
            squares2 = Vector512.FusedMultiplyAdd(d2, d2, squares2);
            squares3 = Vector512.FusedMultiplyAdd(d3, d3, squares3);
        }

        sum0.Store(to);
        sum1.Store(to + n);
        sum2.Store(to + (2 * n));
        sum3.Store(to + (3 * n));
        squares0.Store(to + c);
        squares1.Store(to + c + n);
        squares2.Store(to + c + (2 * n));
        squares3.Store(to + c + (3 * n));
    }

    // Adds up a group's tiles: first the mean, then the squares about it. Four channels at once, in lanes of 128 bits, which every processor has: the order of the sums is the same on all.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Statistics(float* x, float* partials, float* stats, int g, Dims d, float eps)
    {
        int tiles = Tiles(d), tilePixels = TilePixels(d), c = d.C, first = g * d.Width, end = first + d.Width;
        Vector128<double> sums = default, squareSums = default;
        double sum = 0, squares = 0;
        for (int t = 0; t < tiles; t++)
        {
            float* s = partials + (2L * t * c), shift = x + ((long)t * tilePixels * c);
            double pixels = Math.Min(tilePixels, d.P - (t * tilePixels));
            int i = first;
            for (; i + 4 <= end; i += 4)
            {
                (Vector128<double> s0, Vector128<double> s1) = Vector128.Widen(Vector128.Load(s + i));
                (Vector128<double> shift0, Vector128<double> shift1) = Vector128.Widen(Vector128.Load(shift + i));
                sums += s0 + s1 + ((shift0 + shift1) * pixels);
            }

            for (; i < end; i++)
                sum += s[i] + (pixels * shift[i]);
        }

        double mean = (Vector128.Sum(sums) + sum) / d.GroupCount;
        for (int t = 0; t < tiles; t++)
        {
            float* s = partials + (2L * t * c), q = s + c, shift = x + ((long)t * tilePixels * c);
            double pixels = Math.Min(tilePixels, d.P - (t * tilePixels));
            int i = first;
            for (; i + 4 <= end; i += 4)
            {
                (Vector128<double> s0, Vector128<double> s1) = Vector128.Widen(Vector128.Load(s + i));
                (Vector128<double> q0, Vector128<double> q1) = Vector128.Widen(Vector128.Load(q + i));
                (Vector128<double> shift0, Vector128<double> shift1) = Vector128.Widen(Vector128.Load(shift + i));
                Vector128<double> offset0 = shift0 - Vector128.Create(mean), offset1 = shift1 - Vector128.Create(mean);
                squareSums += q0 + (offset0 * (s0 + s0 + (offset0 * pixels))) + q1 + (offset1 * (s1 + s1 + (offset1 * pixels)));
            }

            for (; i < end; i++)
            {
                double offset = shift[i] - mean;
                squares += q[i] + (offset * ((2 * s[i]) + (pixels * offset)));
            }
        }

        float high = (float)mean, low = (float)(mean - high), rstd = (float)(1 / Math.Sqrt((Math.Max(0, Vector128.Sum(squareSums) + squares) / d.GroupCount) + eps));
        for (int i = first; i < end; i++)
        {
            stats[i] = high;
            stats[c + i] = low;
            stats[(2L * c) + i] = rstd;
        }
    }

    // Two pixels at once, here and below: what belongs to a channel, and the constants of the exponential, are loaded for both. A last pixel without a neighbour is its own.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Apply(float* x, float* y, int c, int pixels, float* stats, float* weight, float* bias, bool silu)
    {
        for (int p = 0; p < pixels; p += 2, x += 2L * c, y += 2L * c)
        {
            int i = 0, next = p + 1 < pixels ? c : 0;
            for (; Vector512.IsHardwareAccelerated && i + Wide512.Count <= c; i += Wide512.Count)
                Apply<Wide512>(x + i, y + i, next, c, stats + i, weight + i, bias + i, silu);
            for (; i + Wide.Count <= c; i += Wide.Count)
                Apply<Wide>(x + i, y + i, next, c, stats + i, weight + i, bias + i, silu);
            for (; i < c; i++)
                Apply<Narrow>(x + i, y + i, next, c, stats + i, weight + i, bias + i, silu);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Apply<T>(float* x, float* y, nint next, int c, float* stats, float* weight, float* bias, bool silu)
        where T : struct, ILanes<T>
    {
        T mean = T.Load(stats), low = T.Load(stats + c), scale = T.Load(stats + (2L * c)) * T.Load(weight), shift = T.Load(bias);
        T z0 = T.MultiplyAdd(T.Load(x) - mean - low, scale, shift), z1 = T.MultiplyAdd(T.Load(x + next) - mean - low, scale, shift);
        if (silu)
        {
            z0 = T.Silu(z0);
            z1 = T.Silu(z1);
        }

        z0.Store(y);
        z1.Store(y + next);
    }
}
