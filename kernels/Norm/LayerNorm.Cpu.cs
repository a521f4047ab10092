using System.Runtime.CompilerServices;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Kernels.Norm;

/// The `cpu` version: one task takes <see cref="RowsPerTile"/> rows; its share of dw and db goes to a row of scratch memory,
/// and these are added up in order.
public static unsafe partial class LayerNorm
{
    static void CpuForward(
        CpuPool cpu,
        ArrayView<float> x,
        ArrayView<float> weight,
        ArrayView<float> bias,
        ArrayView<float> y,
        ArrayView<float> stats,
        int rows,
        int d,
        float eps)
    {
        float* px = x.Pointer(), pw = weight.Pointer(), pb = bias.Pointer(), py = y.Pointer(), pstats = stats.Pointer();
        cpu.Range(rows, RowsPerTile, (begin, end) =>
        {
            for (long row = begin; row < end; row++)
                ForwardRow(px + (row * d), pw, pb, py + (row * d), pstats + (row * Stats), d, eps);
        });
    }

    // The mean first from plain sums, then corrected by the mean deviation from it: the sums of deviations are small, so float32 lanes do.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void ForwardRow(float* x, float* weight, float* bias, float* y, float* stats, int d, float eps)
    {
        Wide lanes = Wide.All(0);
        int i = 0;
        for (; i + Wide.Count <= d; i += Wide.Count)
            lanes += Wide.Load(x + i);
        double total = lanes.Sum();
        for (; i < d; i++)
            total += x[i];
        float shift = (float)(total / d);

        Wide sums = Wide.All(0), squares = Wide.All(0), shifts = Wide.All(shift);
        for (i = 0; i + Wide.Count <= d; i += Wide.Count)
        {
            Wide deviation = Wide.Load(x + i) - shifts;
            sums += deviation;
            squares = Wide.MultiplyAdd(deviation, deviation, squares);
        }

        double sum = sums.Sum(), square = squares.Sum();
        for (; i < d; i++)
        {
            float deviation = x[i] - shift;
            sum += deviation;
            square += deviation * deviation;
        }

        double mean = shift + (sum / d), variance = Math.Max(0, (square - (sum * sum / d)) / d);
        stats[0] = (float)mean;
        stats[1] = (float)(mean - (float)mean);
        stats[2] = (float)(1 / Math.Sqrt(variance + eps));
        for (i = 0; i + Wide.Count <= d; i += Wide.Count)
            Apply<Wide>(x + i, weight + i, bias + i, y + i, stats);
        for (; i < d; i++)
            Apply<Narrow>(x + i, weight + i, bias + i, y + i, stats);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static T Normalised<T>(float* x, float* stats)
        where T : struct, ILanes<T> => (T.Load(x) - T.All(stats[0]) - T.All(stats[1])) * T.All(stats[2]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Apply<T>(float* x, float* weight, float* bias, float* y, float* stats)
        where T : struct, ILanes<T> => T.MultiplyAdd(Normalised<T>(x, stats), T.Load(weight), T.Load(bias)).Store(y);

    static void CpuBackward(
        CpuPool cpu,
        ArrayView<float> x,
        ArrayView<float> weight,
        ArrayView<float> stats,
        ArrayView<float> dy,
        ArrayView<float> dx,
        ArrayView<float> dWeight,
        ArrayView<float> dBias,
        ArrayView<float> scratch,
        int rows,
        int d)
    {
        bool wantsInput = dx.Length > 0, wantsParameters = dWeight.Length + dBias.Length > 0;
        float* px = x.Pointer(), pw = weight.Pointer(), pstats = stats.Pointer(), pdy = dy.Pointer(), partials = scratch.Pointer();
        float* pdx = wantsInput ? dx.Pointer() : null;
        cpu.For(Tiles(rows), t =>
        {
            int first = t * RowsPerTile, last = Math.Min(rows, first + RowsPerTile);
            float* sums = partials + (2L * t * d);
            new Span<float>(sums, 2 * d).Clear();
            for (long row = first; row < last; row++)
            {
                float* xr = px + (row * d), sr = pstats + (row * Stats), dyr = pdy + (row * d);
                if (wantsInput)
                    InputGradient(xr, pw, sr, dyr, pdx + (row * d), d);
                if (wantsParameters)
                    AddRow(xr, sr, dyr, sums, d);
            }
        });

        if (dWeight.Length > 0)
            AddTiles(partials, dWeight.Pointer(), rows, d);
        if (dBias.Length > 0)
            AddTiles(partials + d, dBias.Pointer(), rows, d);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void InputGradient(float* x, float* weight, float* stats, float* dy, float* dx, int d)
    {
        Wide sums = Wide.All(0), xhats = Wide.All(0);
        int i = 0;
        for (; i + Wide.Count <= d; i += Wide.Count)
        {
            Wide g = Wide.Load(weight + i) * Wide.Load(dy + i);
            sums += g;
            xhats = Wide.MultiplyAdd(g, Normalised<Wide>(x + i, stats), xhats);
        }

        double sum = sums.Sum(), sumXhat = xhats.Sum();
        for (; i < d; i++)
        {
            float g = weight[i] * dy[i];
            sum += g;
            sumXhat += g * Normalised<Narrow>(x + i, stats).V;
        }

        float m1 = (float)(sum / d), m2 = (float)(sumXhat / d);
        for (i = 0; i + Wide.Count <= d; i += Wide.Count)
            InputGradient<Wide>(x + i, weight + i, stats, dy + i, dx + i, m1, m2);
        for (; i < d; i++)
            InputGradient<Narrow>(x + i, weight + i, stats, dy + i, dx + i, m1, m2);
    }

    // No fused multiply-add: w·dy must round as m₁ did, so that a row of one element gets the exact zero it should.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void InputGradient<T>(float* x, float* weight, float* stats, float* dy, float* dx, float m1, float m2)
        where T : struct, ILanes<T> =>
        (((T.Load(weight) * T.Load(dy)) - T.All(m1) - (Normalised<T>(x, stats) * T.All(m2))) * T.All(stats[2])).Store(dx);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void AddRow(float* x, float* stats, float* dy, float* sums, int d)
    {
        int i = 0;
        for (; i + Wide.Count <= d; i += Wide.Count)
            AddRow<Wide>(x + i, stats, dy + i, sums + i, d);
        for (; i < d; i++)
            AddRow<Narrow>(x + i, stats, dy + i, sums + i, d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void AddRow<T>(float* x, float* stats, float* dy, float* sums, int d)
        where T : struct, ILanes<T>
    {
        T g = T.Load(dy);
        T.MultiplyAdd(g, Normalised<T>(x, stats), T.Load(sums)).Store(sums);
        (T.Load(sums + d) + g).Store(sums + d);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void AddTiles(float* partials, float* gradient, int rows, int d)
    {
        for (int i = 0; i < d; i++)
        {
            double sum = 0;
            for (int t = 0; t < Tiles(rows); t++)
                sum += partials[(2L * t * d) + i];
            gradient[i] += (float)sum;
        }
    }
}
