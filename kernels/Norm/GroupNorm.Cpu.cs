using System.Runtime.CompilerServices;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Kernels.Norm;

/// The `cpu` version. x is read in tiles of pixels, column by column: a register holds neighbouring
/// channels, their constants and sums stay in registers while the pixels of the tile pass. Tiles leave per-channel sums behind, which are
/// added up in double and in order, so the result has the same bits however tiles are shared out.
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

    // Partial sums (B, tiles, 2, C), the sums of each sample (B, 2, C), and m₁, m₂ for each channel (B, 2, C).
    static long CpuBackwardScratch(Dims d) => 2L * d.B * (Tiles(d) + 2) * d.C;

    /// Runs tile(b, t) for all tiles of all samples, then sample(b), then last(b, t).
    static void Schedule(CpuPool cpu, Dims d, Action<int, int> tile, Action<int> sample, Action<int, int>? last)
    {
        int tiles = Tiles(d);
        if (d.B >= SamplesToShareOut)
        {
            cpu.For(d.B, b =>
            {
                for (int t = 0; t < tiles; t++)
                    tile(b, t);
                sample(b);
                for (int t = 0; last is not null && t < tiles; t++)
                    last(b, t);
            });
            return;
        }

        cpu.For(d.B * tiles, i => tile(i / tiles, i % tiles));
        cpu.For(d.B, sample);
        if (last is not null)
            cpu.For(d.B * tiles, i => last(i / tiles, i % tiles));
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
                for (; i + Pair.Count <= c; i += Pair.Count)
                    Moments<Pair>(from + i, c, pixels, to + i);
                for (; i + Wide.Count <= c; i += Wide.Count)
                    Moments<Wide>(from + i, c, pixels, to + i);
                for (; i < c; i++)
                    Moments<Narrow>(from + i, c, pixels, to + i);
            },
            b => Statistics(px + ((long)b * d.P * c), partials + (2L * b * tiles * c), pstats + ((long)Stats * b * c), d, eps),
            (b, t) =>
            {
                int first = t * tilePixels, pixels = Math.Min(tilePixels, d.P - first);
                long at = (((long)b * d.P) + first) * c;
                float* k = pstats + ((long)Stats * b * c);
                int i = 0;
                for (; !silu && i + Pair.Count <= c; i += Pair.Count)
                    Apply<Pair>(px + at + i, py + at + i, c, pixels, k + i, pw + i, pb + i, silu);
                for (; i + Wide.Count <= c; i += Wide.Count)
                    Apply<Wide>(px + at + i, py + at + i, c, pixels, k + i, pw + i, pb + i, silu);
                for (; i < c; i++)
                    Apply<Narrow>(px + at + i, py + at + i, c, pixels, k + i, pw + i, pb + i, silu);
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

    // Adds up the tiles of one sample: first the group's mean, then the squares about it.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Statistics(float* x, float* partials, float* stats, Dims d, float eps)
    {
        int tiles = Tiles(d), tilePixels = TilePixels(d), c = d.C;
        for (int g = 0; g < d.G; g++)
        {
            double sum = 0, squares = 0;
            for (int t = 0; t < tiles; t++)
            {
                int pixels = Math.Min(tilePixels, d.P - (t * tilePixels));
                float* s = partials + (2L * t * c), shift = x + ((long)t * tilePixels * c);
                for (int i = g * d.Width; i < (g + 1) * d.Width; i++)
                    sum += s[i] + ((double)pixels * shift[i]);
            }

            double mean = sum / d.GroupCount;
            for (int t = 0; t < tiles; t++)
            {
                int pixels = Math.Min(tilePixels, d.P - (t * tilePixels));
                float* s = partials + (2L * t * c), q = s + c, shift = x + ((long)t * tilePixels * c);
                for (int i = g * d.Width; i < (g + 1) * d.Width; i++)
                {
                    double offset = shift[i] - mean;
                    squares += q[i] + (offset * ((2 * s[i]) + (pixels * offset)));
                }
            }

            Fill(stats, g, (float)mean, d);
            Fill(stats + c, g, (float)(mean - (float)mean), d);
            Fill(stats + (2L * c), g, (float)(1 / Math.Sqrt((Math.Max(0, squares) / d.GroupCount) + eps)), d);
        }
    }

    // A number of a group to each of its channels.
    static void Fill(float* channels, int g, float value, Dims d) => new Span<float>(channels + (g * d.Width), d.Width).Fill(value);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Apply<T>(float* x, float* y, int c, int pixels, float* stats, float* weight, float* bias, bool silu)
        where T : struct, ILanes<T>
    {
        T mean = T.Load(stats), rest = T.Load(stats + c), w = T.Load(stats + (2L * c)) * T.Load(weight), b = T.Load(bias);
        for (int p = 0; p < pixels; p++, x += c, y += c)
        {
            T z = T.MultiplyAdd(T.Load(x) - mean - rest, w, b);
            (silu ? z * T.Sigmoid(z) : z).Store(y);
        }
    }

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
                int i = 0;
                for (; !silu && i + Pair.Count <= c; i += Pair.Count)
                    Sums<Pair>(px + at + i, pdy + at + i, pdz is null ? null : pdz + at + i, c, pixels, k + i, pw + i, pb + i, to + i, silu);
                for (; i + Wide.Count <= c; i += Wide.Count)
                    Sums<Wide>(px + at + i, pdy + at + i, pdz is null ? null : pdz + at + i, c, pixels, k + i, pw + i, pb + i, to + i, silu);
                for (; i < c; i++)
                    Sums<Narrow>(px + at + i, pdy + at + i, pdz is null ? null : pdz + at + i, c, pixels, k + i, pw + i, pb + i, to + i, silu);
            },
            b => Means(partials + (2L * b * tiles * c), sums + (2L * b * c), means + (2L * b * c), pw, d),
            pdx is null ? null : (b, t) =>
            {
                int first = t * tilePixels, pixels = Math.Min(tilePixels, d.P - first);
                long at = (((long)b * d.P) + first) * c;
                float* k = pstats + ((long)Stats * b * c), m = means + (2L * b * c), dz = silu ? pdx : pdy;
                int i = 0;
                for (; i + Pair.Count <= c; i += Pair.Count)
                    InputGradient<Pair>(px + at + i, dz + at + i, pdx + at + i, c, pixels, k + i, m + i, pw + i);
                for (; i + Wide.Count <= c; i += Wide.Count)
                    InputGradient<Wide>(px + at + i, dz + at + i, pdx + at + i, c, pixels, k + i, m + i, pw + i);
                for (; i < c; i++)
                    InputGradient<Narrow>(px + at + i, dz + at + i, pdx + at + i, c, pixels, k + i, m + i, pw + i);
            });

        if (dWeight.Length > 0)
            AddSamples(sums, dWeight.Pointer(), d);
        if (dBias.Length > 0)
            AddSamples(sums + c, dBias.Pointer(), d);
    }

    // Σ dz·x̂ and Σ dz over a tile; dz is kept where SiLU makes it dear.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Sums<T>(
        float* x, float* dy, float* keptDz, int c, int pixels, float* stats, float* weight, float* bias, float* to, bool silu)
        where T : struct, ILanes<T>
    {
        T mean = T.Load(stats), rest = T.Load(stats + c), rstd = T.Load(stats + (2L * c));
        T w = T.Load(weight), b = T.Load(bias), one = T.All(1), zero = T.All(0), sum = zero, sumXhat = zero;
        for (int p = 0; p < pixels; p++)
        {
            long at = (long)p * c;
            T xhat = (T.Load(x + at) - mean - rest) * rstd, dz = T.Load(dy + at);
            if (silu)
            {
                T z = T.MultiplyAdd(xhat, w, b), s = T.Sigmoid(z);
                dz = dz * s * T.MultiplyAdd(z, one - s, one);
                if (keptDz is not null)
                    dz.Store(keptDz + at);
            }

            sum += dz;
            sumXhat = T.MultiplyAdd(dz, xhat, sumXhat);
        }

        sumXhat.Store(to);
        sum.Store(to + c);
    }

    // Adds up the tiles of one sample; m₁ and m₂ of each group go to each of its channels.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Means(float* partials, float* sums, float* means, float* weight, Dims d)
    {
        int tiles = Tiles(d), c = d.C;
        for (int g = 0; g < d.G; g++)
        {
            double m1 = 0, m2 = 0;
            for (int i = g * d.Width; i < (g + 1) * d.Width; i++)
            {
                double sumXhat = 0, sum = 0;
                for (int t = 0; t < tiles; t++)
                {
                    sumXhat += partials[(2L * t * c) + i];
                    sum += partials[(((2L * t) + 1) * c) + i];
                }

                sums[i] = (float)sumXhat;
                sums[c + i] = (float)sum;
                m1 += weight[i] * sum;
                m2 += weight[i] * sumXhat;
            }

            Fill(means, g, (float)(m1 / d.GroupCount), d);
            Fill(means + c, g, (float)(m2 / d.GroupCount), d);
        }
    }

    // No fused multiply-add here: w·dz must round as m₁ did, so that a group of one element gets the exact zero it should.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void InputGradient<T>(float* x, float* dz, float* dx, int c, int pixels, float* stats, float* means, float* weight)
        where T : struct, ILanes<T>
    {
        T mean = T.Load(stats), rest = T.Load(stats + c), rstd = T.Load(stats + (2L * c));
        T m1 = T.Load(means), m2 = T.Load(means + c), w = T.Load(weight);
        for (int p = 0; p < pixels; p++, x += c, dz += c, dx += c)
        {
            T xhat = (T.Load(x) - mean - rest) * rstd;
            (((T.Load(dz) * w) - m1 - (xhat * m2)) * rstd).Store(dx);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void AddSamples(float* sums, float* gradient, Dims d)
    {
        for (int i = 0; i < d.C; i++)
        {
            double sum = 0;
            for (int b = 0; b < d.B; b++)
                sum += sums[(2L * b * d.C) + i];
            gradient[i] += (float)sum;
        }
    }
}
