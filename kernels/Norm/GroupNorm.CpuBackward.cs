using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Kernels.Norm;

/// The `cpu` version's gradient: the same tiles leave Σ dz·x̂ and Σ dz for each channel behind, which are added up group by group, and a second pass over the tiles writes dx.
public static unsafe partial class GroupNorm
{
    // Partial sums (B, tiles, 2, C), the sums of each sample (B, 2, C), and m₁, m₂ for each channel (B, 2, C).
    static long CpuBackwardScratch(Dims d) => 2L * d.B * (Tiles(d) + 2) * d.C;

    static void CpuBackward(
        CpuPool cpu,
        ArrayView<float> x,
        ArrayView<float> weight,
        ArrayView<float> bias,
        ArrayView<float> stats,
        ArrayView<float> dy,
        ArrayView<float> dx,
        ArrayView<float> dWeight,
        ArrayView<float> dBias,
        ArrayView<float> scratch,
        Dims d,
        bool silu)
    {
        int c = d.C, tiles = Tiles(d), tilePixels = TilePixels(d);
        float* px = x.Pointer(), pw = weight.Pointer(), pb = bias.Pointer(), pdy = dy.Pointer(), pstats = stats.Pointer();
        float* pdx = dx.Length > 0 ? dx.Pointer() : null;
        float* partials = scratch.Pointer(), sums = partials + (2L * d.B * tiles * c), means = sums + (2L * d.B * c);

        // With SiLU the first pass leaves dz in dx, so that the exponential is taken once.
        float* pdz = silu ? pdx : null;
        Schedule(
            cpu,
            d,
            (b, t) =>
            {
                int first = t * tilePixels, pixels = Math.Min(tilePixels, d.P - first);
                long at = (((long)b * d.P) + first) * c;
                float* k = pstats + ((long)Stats * b * c), to = partials + (2L * ((b * tiles) + t) * c);
                Sums(px + at, pdy + at, pdz is null ? null : pdz + at, c, pixels, k, pw, pb, to, silu);
            },
            (b, g) => Means(partials + (2L * b * tiles * c), sums + (2L * b * c), means + (2L * b * c), pw, g, d),
            pdx is null ? null : (b, t) =>
            {
                int first = t * tilePixels, pixels = Math.Min(tilePixels, d.P - first);
                long at = (((long)b * d.P) + first) * c;
                float* k = pstats + ((long)Stats * b * c), m = means + (2L * b * c), dz = silu ? pdx : pdy;
                InputGradient(px + at, dz + at, pdx + at, c, pixels, k, m, pw);
            });

        if (dWeight.Length > 0)
            AddSamples(sums, dWeight.Pointer(), d);
        if (dBias.Length > 0)
            AddSamples(sums + c, dBias.Pointer(), d);
    }

    // Σ dz·x̂ and Σ dz over a tile, in the pixels' order into `to` (2, C); dz is kept where SiLU makes it dear.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Sums(float* x, float* dy, float* keptDz, int c, int pixels, float* stats, float* weight, float* bias, float* to, bool silu)
    {
        new Span<float>(to, 2 * c).Clear();
        for (int p = 0; p < pixels; p += 2, x += 2L * c, dy += 2L * c, keptDz = keptDz is null ? null : keptDz + (2L * c))
        {
            int i = 0, next = p + 1 < pixels ? c : 0;
            for (; Vector512.IsHardwareAccelerated && i + Wide512.Count <= c; i += Wide512.Count)
                Sums<Wide512>(x + i, dy + i, keptDz is null ? null : keptDz + i, next, c, stats + i, weight + i, bias + i, to + i, silu);
            for (; i + Wide.Count <= c; i += Wide.Count)
                Sums<Wide>(x + i, dy + i, keptDz is null ? null : keptDz + i, next, c, stats + i, weight + i, bias + i, to + i, silu);
            for (; i < c; i++)
                Sums<Narrow>(x + i, dy + i, keptDz is null ? null : keptDz + i, next, c, stats + i, weight + i, bias + i, to + i, silu);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Sums<T>(float* x, float* dy, float* keptDz, nint next, int c, float* stats, float* weight, float* bias, float* to, bool silu)
        where T : struct, ILanes<T>
    {
        T mean = T.Load(stats), low = T.Load(stats + c), rstd = T.Load(stats + (2L * c));
        T xhat0 = (T.Load(x) - mean - low) * rstd, xhat1 = (T.Load(x + next) - mean - low) * rstd, dz0 = T.Load(dy), dz1 = T.Load(dy + next);
        if (silu)
        {
            T one = T.All(1), scale = T.Load(weight), shift = T.Load(bias);
            T z0 = T.MultiplyAdd(xhat0, scale, shift), z1 = T.MultiplyAdd(xhat1, scale, shift), s0 = T.Sigmoid(z0), s1 = T.Sigmoid(z1);
            dz0 = dz0 * s0 * T.MultiplyAdd(z0, one - s0, one);
            dz1 = dz1 * s1 * T.MultiplyAdd(z1, one - s1, one);
            if (keptDz is not null)
            {
                dz0.Store(keptDz);
                dz1.Store(keptDz + next);
            }
        }

        T sumXhat = T.MultiplyAdd(dz0, xhat0, T.Load(to)), sum = T.Load(to + c) + dz0;
        if (next != 0)
        {
            sumXhat = T.MultiplyAdd(dz1, xhat1, sumXhat);
            sum += dz1;
        }

        sumXhat.Store(to);
        sum.Store(to + c);
    }

    // Adds up a group's tiles channel by channel; m₁ and m₂ go to each of its channels.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Means(float* partials, float* sums, float* means, float* weight, int g, Dims d)
    {
        int tiles = Tiles(d), c = d.C, i = g * d.Width, end = i + d.Width;
        for (; i + 4 <= end; i += 4)
        {
            Sum(partials + i, tiles, c).Store(sums + i);
            Sum(partials + c + i, tiles, c).Store(sums + c + i);
        }

        for (; i < end; i++)
        {
            double sumXhat = 0, sum = 0;
            for (int t = 0; t < tiles; t++)
            {
                sumXhat += partials[(2L * t * c) + i];
                sum += partials[(((2L * t) + 1) * c) + i];
            }

            sums[i] = (float)sumXhat;
            sums[c + i] = (float)sum;
        }

        double m1 = 0, m2 = 0;
        for (i = g * d.Width; i < end; i++)
        {
            m1 += weight[i] * (double)sums[c + i];
            m2 += weight[i] * (double)sums[i];
        }

        float mean1 = (float)(m1 / d.GroupCount), mean2 = (float)(m2 / d.GroupCount);
        for (i = g * d.Width; i < end; i++)
        {
            means[i] = mean1;
            means[c + i] = mean2;
        }
    }

    // Four channels' sums over tiles or samples.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector128<float> Sum(float* partials, int count, int c)
    {
        Vector128<double> low = default, high = default;
        for (int t = 0; t < count; t++, partials += 2L * c)
        {
            (Vector128<double> low1, Vector128<double> high1) = Vector128.Widen(Vector128.Load(partials));
            low += low1;
            high += high1;
        }

        return Vector128.Narrow(low, high);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void InputGradient(float* x, float* dz, float* dx, int c, int pixels, float* stats, float* means, float* weight)
    {
        for (int p = 0; p < pixels; p += 2, x += 2L * c, dz += 2L * c, dx += 2L * c)
        {
            int i = 0, next = p + 1 < pixels ? c : 0;
            for (; Vector512.IsHardwareAccelerated && i + Wide512.Count <= c; i += Wide512.Count)
                InputGradient<Wide512>(x + i, dz + i, dx + i, next, c, stats + i, means + i, weight + i);
            for (; i + Wide.Count <= c; i += Wide.Count)
                InputGradient<Wide>(x + i, dz + i, dx + i, next, c, stats + i, means + i, weight + i);
            for (; i < c; i++)
                InputGradient<Narrow>(x + i, dz + i, dx + i, next, c, stats + i, means + i, weight + i);
        }
    }

    // No fused multiply-add here: w·dz must round as m₁ did, so that a group of one element gets the exact zero it should. dz may be dx: both are read before either is written.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void InputGradient<T>(float* x, float* dz, float* dx, nint next, int c, float* stats, float* means, float* weight)
        where T : struct, ILanes<T>
    {
        T mean = T.Load(stats), low = T.Load(stats + c), rstd = T.Load(stats + (2L * c)), m1 = T.Load(means), m2 = T.Load(means + c), scale = T.Load(weight);
        T xhat0 = (T.Load(x) - mean - low) * rstd, xhat1 = (T.Load(x + next) - mean - low) * rstd;
        T dx0 = ((T.Load(dz) * scale) - m1 - (xhat0 * m2)) * rstd, dx1 = ((T.Load(dz + next) * scale) - m1 - (xhat1 * m2)) * rstd;
        dx0.Store(dx);
        dx1.Store(dx + next);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void AddSamples(float* sums, float* gradient, Dims d)
    {
        int i = 0;
        for (; i + 4 <= d.C; i += 4)
            (Vector128.Load(gradient + i) + Sum(sums + i, d.B, d.C)).Store(gradient + i);
        for (; i < d.C; i++)
        {
            double sum = 0;
            for (int b = 0; b < d.B; b++)
                sum += sums[(2L * b * d.C) + i];
            gradient[i] += (float)sum;
        }
    }
}
