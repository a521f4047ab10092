using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Norm;

/// GroupNorm over channels-last x (B, P, C), P pixels, in G groups of C/G neighbouring channels; optionally SiLU on the result:
///   x̂ = (x − μ)·ρ,  z = w·x̂ + b,  y = z  or  y = z·σ(z);   μ, ρ = 1/√(var + eps) of each (b, g).
/// Backward (derivation in GroupNorm.md, n = P·C/G elements a group):
///   dz = dy  or  dy·σ(z)(1 + z(1 − σ(z)));   dx = ρ·(w·dz − m₁ − x̂·m₂),  m₁ = Σ w·dz / n,  m₂ = Σ w·dz·x̂ / n;
///   dw += Σ dz·x̂,  db += Σ dz over samples and pixels.
/// Kept: x and (B, 3, C) statistics: μ, what float32 drops of μ, ρ, for each channel of the group so that they are read like the weight.
/// Two floats for μ, because at |μ| ≫ std rounding μ alone costs all the digits of y (fixture gn_big_mean). z is recomputed.
public static partial class GroupNorm
{
    /// x is (B, P, C), in G groups.
    public readonly struct Dims(int b, int p, int c, int g)
    {
        public readonly int B = b, P = p, C = c, G = g;

        /// Channels a group.
        public int Width => C / G;

        public long Count => (long)B * P * C;

        /// Elements a group of one sample.
        public long GroupCount => (long)P * Width;
    }

    /// Floats of statistics for each (b, c).
    public const int Stats = 3;

    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(
            ReadOnlySpan<float> x,        // (B, P, C)
            ReadOnlySpan<float> weight,   // (C)
            ReadOnlySpan<float> bias,     // (C)
            Span<float> y,                // (B, P, C)
            Dims d,
            float eps,
            bool silu)
        {
            for (int b = 0; b < d.B; b++)
            {
                for (int c = 0; c < d.C; c++)
                {
                    (double mean, double rstd) = Statistics(x, d, b, c / d.Width, eps);
                    for (int p = 0; p < d.P; p++)
                    {
                        int i = (((b * d.P) + p) * d.C) + c;
                        double z = ((x[i] - mean) * rstd * weight[c]) + bias[c];
                        y[i] = (float)(silu ? z / (1 + Math.Exp(-z)) : z);
                    }
                }
            }
        }

        public static void Backward(
            ReadOnlySpan<float> x,
            ReadOnlySpan<float> weight,
            ReadOnlySpan<float> bias,
            ReadOnlySpan<float> dy,
            Span<float> dx,        // (B, P, C), written
            Span<float> dWeight,   // (C), added to
            Span<float> dBias,     // (C), added to
            Dims d,
            float eps,
            bool silu)
        {
            for (int b = 0; b < d.B; b++)
            {
                for (int g = 0; g < d.G; g++)
                {
                    (double mean, double rstd) = Statistics(x, d, b, g, eps);
                    double m1 = 0, m2 = 0;
                    for (int pass = 0; pass < 2; pass++)
                    {
                        for (int c = g * d.Width; c < (g + 1) * d.Width; c++)
                        {
                            double sum = 0, sumXhat = 0;
                            for (int p = 0; p < d.P; p++)
                            {
                                int i = (((b * d.P) + p) * d.C) + c;
                                double xhat = (x[i] - mean) * rstd, z = (xhat * weight[c]) + bias[c], s = 1 / (1 + Math.Exp(-z));
                                double dz = silu ? dy[i] * s * (1 + (z * (1 - s))) : dy[i];
                                sum += dz;
                                sumXhat += dz * xhat;
                                if (pass == 1)
                                    dx[i] = (float)(rstd * ((dz * weight[c]) - (m1 / d.GroupCount) - (xhat * m2 / d.GroupCount)));
                            }

                            if (pass == 1)
                                continue;
                            m1 += weight[c] * sum;
                            m2 += weight[c] * sumXhat;
                            dWeight[c] += (float)sumXhat;
                            dBias[c] += (float)sum;
                        }
                    }
                }
            }
        }

        static (double Mean, double Rstd) Statistics(ReadOnlySpan<float> x, Dims d, int b, int g, float eps)
        {
            double sum = 0, squares = 0;
            for (int p = 0; p < d.P; p++)
            {
                foreach (float v in x.Slice((((b * d.P) + p) * d.C) + (g * d.Width), d.Width))
                    sum += v;
            }

            double mean = sum / d.GroupCount;
            for (int p = 0; p < d.P; p++)
            {
                foreach (float v in x.Slice((((b * d.P) + p) * d.C) + (g * d.Width), d.Width))
                    squares += (v - mean) * (v - mean);
            }

            return (mean, 1 / Math.Sqrt((squares / d.GroupCount) + eps));
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    // V1: one thread per (b, g), sums in double: neither a big mean nor a long group costs digits.
    static void StatisticsKernel(Index1D i, ArrayView<float> x, ArrayView<float> stats, Dims d, float eps)
    {
        long first = ((long)(i.X / d.G) * d.P * d.C) + (i % d.G * d.Width);
        double sum = 0, squares = 0;
        for (int p = 0; p < d.P; p++)
        {
            for (int c = 0; c < d.Width; c++)
                sum += x[first + ((long)p * d.C) + c];
        }

        double mean = sum / d.GroupCount;
        for (int p = 0; p < d.P; p++)
        {
            for (int c = 0; c < d.Width; c++)
            {
                double deviation = x[first + ((long)p * d.C) + c] - mean;
                squares += deviation * deviation;
            }
        }

        float rstd = (float)(1 / Math.Sqrt((squares / d.GroupCount) + eps));
        long at = ((long)(i.X / d.G) * Stats * d.C) + (i % d.G * d.Width);
        for (int c = 0; c < d.Width; c++, at++)
        {
            stats[at] = (float)mean;
            stats[at + d.C] = (float)(mean - (float)mean);
            stats[at + (2 * d.C)] = rstd;
        }
    }

    static float Normalised(float x, ArrayView<float> stats, int b, int c, Dims d)
    {
        long at = ((long)b * Stats * d.C) + c;
        return (x - stats[at] - stats[at + d.C]) * stats[at + (2 * d.C)];
    }

    static void ForwardKernel(
        Index1D i, ArrayView<float> x, ArrayView<float> weight, ArrayView<float> bias, ArrayView<float> stats, ArrayView<float> y, Dims d, int silu)
    {
        int c = i % d.C;
        float z = (Normalised(x[i], stats, i / (d.P * d.C), c, d) * weight[c]) + bias[c];
        y[i] = silu != 0 ? z / (1 + MathF.Exp(-z)) : z;
    }

    static float PreActivationGradient(float dy, float z)
    {
        float s = 1 / (1 + MathF.Exp(-z));
        return dy * s * (1 + (z * (1 - s)));
    }

    // One thread per (b, c): Σ dz·x̂ and Σ dz over the pixels, to sums (B, 2, C).
    static void ChannelSumsKernel(
        Index1D i,
        ArrayView<float> x,
        ArrayView<float> weight,
        ArrayView<float> bias,
        ArrayView<float> stats,
        ArrayView<float> dy,
        ArrayView<float> sums,
        Dims d,
        int silu)
    {
        int b = i / d.C, c = i % d.C;
        long at = ((long)b * d.P * d.C) + c;
        double sum = 0, sumXhat = 0;
        for (int p = 0; p < d.P; p++, at += d.C)
        {
            float xhat = Normalised(x[at], stats, b, c, d);
            float dz = silu != 0 ? PreActivationGradient(dy[at], (xhat * weight[c]) + bias[c]) : dy[at];
            sumXhat += dz * xhat;
            sum += dz;
        }

        sums[(2L * b * d.C) + c] = (float)sumXhat;
        sums[(((2L * b) + 1) * d.C) + c] = (float)sum;
    }

    // One thread per (b, g): m₁ and m₂, to means (B, G, 2).
    static void GroupMeansKernel(Index1D i, ArrayView<float> weight, ArrayView<float> sums, ArrayView<float> means, Dims d)
    {
        long first = 2L * (i / d.G) * d.C;
        int from = i % d.G * d.Width;
        double m1 = 0, m2 = 0;
        for (int c = from; c < from + d.Width; c++)
        {
            m1 += (double)weight[c] * sums[first + d.C + c];
            m2 += (double)weight[c] * sums[first + c];
        }

        means[2 * i] = (float)(m1 / d.GroupCount);
        means[(2 * i) + 1] = (float)(m2 / d.GroupCount);
    }

    // One thread per channel, samples in order.
    static void ParametersKernel(Index1D c, ArrayView<float> sums, ArrayView<float> dWeight, ArrayView<float> dBias, Dims d)
    {
        double weight = 0, bias = 0;
        for (int b = 0; b < d.B; b++)
        {
            weight += sums[(2L * b * d.C) + c];
            bias += sums[(((2L * b) + 1) * d.C) + c];
        }

        if (dWeight.Length > 0)
            dWeight[c] += (float)weight;
        if (dBias.Length > 0)
            dBias[c] += (float)bias;
    }

    static void BackwardKernel(
        Index1D i,
        ArrayView<float> x,
        ArrayView<float> weight,
        ArrayView<float> bias,
        ArrayView<float> stats,
        ArrayView<float> means,
        ArrayView<float> dy,
        ArrayView<float> dx,
        Dims d,
        int silu)
    {
        int c = i % d.C, b = i / (d.P * d.C);
        float xhat = Normalised(x[i], stats, b, c, d);
        float dz = silu != 0 ? PreActivationGradient(dy[i], (xhat * weight[c]) + bias[c]) : dy[i];
        long group = 2 * (((long)b * d.G) + (c / d.Width));
        dx[i] = ((dz * weight[c]) - means[group] - (xhat * means[group + 1])) * stats[((((long)b * Stats) + 2) * d.C) + c];
    }

    // ---- launchers ---------------------------------------------------------------------------------

    /// Floats of scratch memory that Forward wants.
    public static long ForwardScratch(KernelContext k, Dims d) => k.Cpu is null ? 0 : CpuForwardScratch(d);

    /// Floats of scratch memory that Backward wants.
    public static long BackwardScratch(KernelContext k, Dims d) =>
        k.Cpu is null ? 2L * d.B * (d.C + d.G) : CpuBackwardScratch(d);

    public static void Forward(
        KernelContext k,
        ArrayView<float> x,         // (B, P, C)
        ArrayView<float> weight,    // (C)
        ArrayView<float> bias,      // (C)
        ArrayView<float> y,         // (B, P, C)
        ArrayView<float> stats,     // (B, 3, C), written
        ArrayView<float> scratch,   // ForwardScratch floats
        Dims d,
        float eps,
        bool silu)
    {
        using LaunchScope launch = k.Scope("GroupNorm.Forward", (d.B, d.P, d.C, d.G), Work.Of((silu ? 10 : 7) * d.Count, (2 * d.Count) + (2L * d.C)));
        if (d.Count == 0)
            return;
        if (k.Cpu is { } cpu)
        {
            CpuForward(cpu, x, weight, bias, y, stats, scratch, d, eps, silu);
            return;
        }

        k.Launch(StatisticsKernel, (long)d.B * d.G, x, stats, d, eps);
        k.Launch(ForwardKernel, d.Count, x, weight, bias, stats, y, d, silu ? 1 : 0);
    }

    /// dx is written, dWeight and dBias are added to; each may be empty where nobody wants it.
    public static void Backward(
        KernelContext k,
        ArrayView<float> x,
        ArrayView<float> weight,
        ArrayView<float> bias,
        ArrayView<float> stats,
        ArrayView<float> dy,
        ArrayView<float> dx,
        ArrayView<float> dWeight,
        ArrayView<float> dBias,
        ArrayView<float> scratch,   // BackwardScratch floats
        Dims d,
        bool silu)
    {
        using LaunchScope launch = k.Scope("GroupNorm.Backward", (d.B, d.P, d.C, d.G), Work.Of((silu ? 19 : 11) * d.Count, (3 * d.Count) + (4L * d.C)));
        if (d.Count == 0)
            return;
        if (k.Cpu is { } cpu)
        {
            CpuBackward(cpu, x, weight, bias, stats, dy, dx, dWeight, dBias, scratch, d, silu);
            return;
        }

        int activation = silu ? 1 : 0;
        ArrayView<float> sums = scratch.SubView(0, 2L * d.B * d.C), means = scratch.SubView(2L * d.B * d.C, 2L * d.B * d.G);
        k.Launch(ChannelSumsKernel, (long)d.B * d.C, x, weight, bias, stats, dy, sums, d, activation);
        if (dWeight.Length + dBias.Length > 0)
            k.Launch(ParametersKernel, d.C, sums, dWeight, dBias, d);
        if (dx.Length == 0)
            return;
        k.Launch(GroupMeansKernel, (long)d.B * d.G, weight, sums, means, d);
        k.Launch(BackwardKernel, d.Count, x, weight, bias, stats, means, dy, dx, d, activation);
    }

    // ---- trials ------------------------------------------------------------------------------------
    const float TrialEps = 1e-5f;

    [Trial("B=2 P=36 C=32 G=8 silu=1", "GroupNorm.Statistics")]
    internal static void ForwardTrial(Trial t)
    {
        Dims d = new(t["B"], t["P"], t["C"], t["G"]);
        bool silu = t["silu"] != 0;
        Floats x = t.Normal(d.Count), weight = t.Normal(d.C), bias = t.Normal(d.C), y = t.Result(d.Count, Trial.Function);
        Floats stats = t.Scratch((long)Stats * d.B * d.C), scratch = t.Scratch(ForwardScratch(t.Kernels, d));
        t.Run(() => Forward(t.Kernels, x, weight, bias, y, stats, scratch, d, TrialEps, silu), () => Reference.Forward(x, weight, bias, y, d, TrialEps, silu));
    }

    [Trial("B=2 P=36 C=32 G=8 silu=1", "GroupNorm.ChannelSums", "GroupNorm.GroupMeans", "GroupNorm.Parameters")]
    internal static void BackwardTrial(Trial t)
    {
        Dims d = new(t["B"], t["P"], t["C"], t["G"]);
        bool silu = t["silu"] != 0;
        Floats x = t.Normal(d.Count), weight = t.Normal(d.C), bias = t.Normal(d.C), dy = t.Normal(d.Count);
        Floats stats = t.Scratch((long)Stats * d.B * d.C), scratch = t.Scratch(BackwardScratch(t.Kernels, d)), before = t.Scratch(ForwardScratch(t.Kernels, d)), y = t.Scratch(d.Count);
        Floats dx = t.Result(d.Count, Trial.Function), dWeight = t.Changed(d.C, Trial.SumOf(d.P)), dBias = t.Changed(d.C, Trial.SumOf(d.P));
        Forward(t.Kernels, x, weight, bias, y, stats, before, d, TrialEps, silu);
        t.Run(
            () => Backward(t.Kernels, x, weight, bias, stats, dy, dx, dWeight, dBias, scratch, d, silu),
            () => Reference.Backward(x, weight, bias, dy, dx, dWeight, dBias, d, TrialEps, silu));
    }
}
