using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Norm;

/// LayerNorm over the rows of x (N, D):  x̂ = (x − μ)·ρ,  y = w·x̂ + b;  μ, ρ = 1/√(var + eps) of each row.
/// Backward (derivation in LayerNorm.md):  dx = ρ·(w·dy − m₁ − x̂·m₂),  m₁ = mean of w·dy,  m₂ = mean of w·dy·x̂ in the row;
///   dw += Σ dy·x̂,  db += Σ dy over rows.
/// Kept: x and (N, 3) statistics: μ, what float32 drops of μ, ρ.
public static partial class LayerNorm
{
    /// Floats of statistics a row.
    public const int Stats = 3;

    // Rows whose share of dw and db is added up by one task; fixed, so that the order of the sums is.
    const int RowsPerTile = 64;

    static int Tiles(int rows) => (rows + RowsPerTile - 1) / RowsPerTile;

    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(
            ReadOnlySpan<float> x,        // (N, D)
            ReadOnlySpan<float> weight,   // (D)
            ReadOnlySpan<float> bias,     // (D)
            Span<float> y,                // (N, D)
            float eps)
        {
            int d = weight.Length;
            for (int row = 0; row < x.Length; row += d)
            {
                (double mean, double rstd) = Statistics(x.Slice(row, d), eps);
                for (int i = 0; i < d; i++)
                    y[row + i] = (float)(((x[row + i] - mean) * rstd * weight[i]) + bias[i]);
            }
        }

        public static void Backward(
            ReadOnlySpan<float> x,
            ReadOnlySpan<float> weight,
            ReadOnlySpan<float> dy,
            Span<float> dx,        // (N, D), written
            Span<float> dWeight,   // (D), added to
            Span<float> dBias,     // (D), added to
            float eps)
        {
            int d = weight.Length;
            for (int row = 0; row < x.Length; row += d)
            {
                (double mean, double rstd) = Statistics(x.Slice(row, d), eps);
                double m1 = 0, m2 = 0;
                for (int i = 0; i < d; i++)
                {
                    double xhat = (x[row + i] - mean) * rstd;
                    m1 += (double)weight[i] * dy[row + i] / d;
                    m2 += (double)weight[i] * dy[row + i] * xhat / d;
                    dWeight[i] += (float)(dy[row + i] * xhat);
                    dBias[i] += dy[row + i];
                }

                for (int i = 0; i < d; i++)
                    dx[row + i] = (float)(rstd * (((double)weight[i] * dy[row + i]) - m1 - ((x[row + i] - mean) * rstd * m2)));
            }
        }

        static (double Mean, double Rstd) Statistics(ReadOnlySpan<float> x, float eps)
        {
            double sum = 0, squares = 0;
            foreach (float v in x)
                sum += v;
            double mean = sum / x.Length;
            foreach (float v in x)
                squares += (v - mean) * (v - mean);
            return (mean, 1 / Math.Sqrt((squares / x.Length) + eps));
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    // V1: one thread a row, sums in double.
    static void ForwardKernel(
        Index1D row, ArrayView<float> x, ArrayView<float> weight, ArrayView<float> bias, ArrayView<float> y, ArrayView<float> stats, int d, float eps)
    {
        long first = (long)row.X * d;
        double sum = 0, squares = 0;
        for (int i = 0; i < d; i++)
            sum += x[first + i];
        double mean = sum / d;
        for (int i = 0; i < d; i++)
            squares += (x[first + i] - mean) * (x[first + i] - mean);
        float rstd = (float)(1 / Math.Sqrt((squares / d) + eps)), high = (float)mean, rest = (float)(mean - high);
        stats[Stats * row] = high;
        stats[(Stats * row) + 1] = rest;
        stats[(Stats * row) + 2] = rstd;
        for (int i = 0; i < d; i++)
            y[first + i] = ((x[first + i] - high - rest) * rstd * weight[i]) + bias[i];
    }

    static void BackwardKernel(
        Index1D row, ArrayView<float> x, ArrayView<float> weight, ArrayView<float> stats, ArrayView<float> dy, ArrayView<float> dx, int d)
    {
        long first = (long)row.X * d;
        float high = stats[Stats * row], rest = stats[(Stats * row) + 1], rstd = stats[(Stats * row) + 2];
        double sum = 0, sumXhat = 0;
        for (int i = 0; i < d; i++)
        {
            float g = weight[i] * dy[first + i];
            sum += g;
            sumXhat += g * ((x[first + i] - high - rest) * rstd);
        }

        float m1 = (float)(sum / d), m2 = (float)(sumXhat / d);
        for (int i = 0; i < d; i++)
            dx[first + i] = ((weight[i] * dy[first + i]) - m1 - ((x[first + i] - high - rest) * rstd * m2)) * rstd;
    }

    // One thread a column, rows in order.
    static void ParametersKernel(
        Index1D i, ArrayView<float> x, ArrayView<float> stats, ArrayView<float> dy, ArrayView<float> dWeight, ArrayView<float> dBias, int rows, int d)
    {
        double weight = 0, bias = 0;
        for (int row = 0; row < rows; row++)
        {
            long at = ((long)row * d) + i;
            weight += dy[at] * ((x[at] - stats[Stats * row] - stats[(Stats * row) + 1]) * stats[(Stats * row) + 2]);
            bias += dy[at];
        }

        if (dWeight.Length > 0)
            dWeight[i] += (float)weight;
        if (dBias.Length > 0)
            dBias[i] += (float)bias;
    }

    // ---- launchers ---------------------------------------------------------------------------------

    /// Floats of scratch memory that Backward wants.
    public static long BackwardScratch(KernelContext k, int rows, int d) => k.Cpu is null ? 0 : 2L * Tiles(rows) * d;

    public static void Forward(
        KernelContext k,
        ArrayView<float> x,        // (N, D)
        ArrayView<float> weight,   // (D)
        ArrayView<float> bias,     // (D)
        ArrayView<float> y,        // (N, D)
        ArrayView<float> stats,    // (N, 3), written
        float eps)
    {
        using LaunchScope launch = k.Scope("LayerNorm.Forward", (x.Length, weight.Length), Work.Of(7 * x.Length, (2 * x.Length) + (2 * weight.Length)));
        int d = (int)weight.Length, rows = d == 0 ? 0 : (int)(x.Length / d);
        if (k.Cpu is { } cpu)
            CpuForward(cpu, x, weight, bias, y, stats, rows, d, eps);
        else
            k.Launch(ForwardKernel, rows, x, weight, bias, y, stats, d, eps);
    }

    /// dx is written, dWeight and dBias are added to; each may be empty where nobody wants it.
    public static void Backward(
        KernelContext k,
        ArrayView<float> x,
        ArrayView<float> weight,
        ArrayView<float> stats,
        ArrayView<float> dy,
        ArrayView<float> dx,
        ArrayView<float> dWeight,
        ArrayView<float> dBias,
        ArrayView<float> scratch)   // BackwardScratch floats
    {
        using LaunchScope launch = k.Scope("LayerNorm.Backward", (x.Length, weight.Length), Work.Of(14 * x.Length, (3 * x.Length) + (5 * weight.Length)));
        int d = (int)weight.Length, rows = d == 0 ? 0 : (int)(x.Length / d);
        if (k.Cpu is { } cpu)
        {
            CpuBackward(cpu, x, weight, stats, dy, dx, dWeight, dBias, scratch, rows, d);
            return;
        }

        if (dx.Length > 0)
            k.Launch(BackwardKernel, rows, x, weight, stats, dy, dx, d);
        if (dWeight.Length + dBias.Length > 0)
            k.Launch(ParametersKernel, d, x, stats, dy, dWeight, dBias, rows, d);
    }

    // ---- trials ------------------------------------------------------------------------------------
    const float TrialEps = 1e-5f;

    [Trial("R=20 D=48")]
    internal static void ForwardTrial(Trial t)
    {
        (long count, int d) = ((long)t["R"] * t["D"], t["D"]);
        Floats x = t.Normal(count), weight = t.Normal(d), bias = t.Normal(d), y = t.Result(count, Trial.Function), stats = t.Scratch((long)Stats * t["R"]);
        t.Run(() => Forward(t.Kernels, x, weight, bias, y, stats, TrialEps), () => Reference.Forward(x, weight, bias, y, TrialEps));
    }

    [Trial("R=20 D=48", "LayerNorm.Parameters")]
    internal static void BackwardTrial(Trial t)
    {
        (long count, int d) = ((long)t["R"] * t["D"], t["D"]);
        Floats x = t.Normal(count), weight = t.Normal(d), bias = t.Normal(d), dy = t.Normal(count);
        Floats y = t.Scratch(count), stats = t.Scratch((long)Stats * t["R"]), scratch = t.Scratch(BackwardScratch(t.Kernels, t["R"], d));
        Floats dx = t.Result(count, Trial.Function), dWeight = t.Changed(d, Trial.SumOf(t["R"])), dBias = t.Changed(d, Trial.SumOf(t["R"]));
        Forward(t.Kernels, x, weight, bias, y, stats, TrialEps);
        t.Run(
            () => Backward(t.Kernels, x, weight, stats, dy, dx, dWeight, dBias, scratch), () => Reference.Backward(x, weight, dy, dx, dWeight, dBias, TrialEps));
    }
}
