using System.Numerics;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Spatial;

/// Batch norm in evaluation, per channel with the stored statistics:  y = (x − mean)·rstd·weight + bias,  rstd = 1/√(var + eps).
/// Backward:  dx = dy·rstd·weight,  dweight += Σ_r dy·(x − mean)·rstd,  dbias += Σ_r dy (<see cref="ColumnSum"/>).
public static class BatchNorm
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(
            ReadOnlySpan<float> x,          // (R, C)
            ReadOnlySpan<float> weight,     // (C)
            ReadOnlySpan<float> bias,       // (C)
            ReadOnlySpan<float> mean,       // (C)
            ReadOnlySpan<float> variance,   // (C)
            float eps,
            Span<float> y)                  // (R, C)
        {
            for (int i = 0; i < y.Length; i++)
            {
                int c = i % mean.Length;
                y[i] = (float)(((x[i] - (double)mean[c]) / Math.Sqrt((double)variance[c] + eps) * weight[c]) + bias[c]);
            }
        }

        public static void BackwardInput(ReadOnlySpan<float> weight, ReadOnlySpan<float> variance, float eps, ReadOnlySpan<float> dy, Span<float> dx)
        {
            for (int i = 0; i < dx.Length; i++)
                dx[i] = (float)(dy[i] / Math.Sqrt((double)variance[i % weight.Length] + eps) * weight[i % weight.Length]);
        }

        public static void BackwardWeight(
            ReadOnlySpan<float> x, ReadOnlySpan<float> mean, ReadOnlySpan<float> variance, float eps, ReadOnlySpan<float> dy, Span<float> dWeight)
        {
            for (int c = 0; c < dWeight.Length; c++)
            {
                double sum = 0;
                for (int i = c; i < x.Length; i += dWeight.Length)
                    sum += dy[i] * ((double)x[i] - mean[c]);
                dWeight[c] += (float)(sum / Math.Sqrt((double)variance[c] + eps));
            }
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    static void ForwardKernel(
        Index1D i,
        ArrayView<float> x,
        ArrayView<float> weight,
        ArrayView<float> bias,
        ArrayView<float> mean,
        ArrayView<float> variance,
        float eps,
        ArrayView<float> y,
        int width)
    {
        int c = i % width;
        y[i] = ((x[i] - mean[c]) / MathF.Sqrt(variance[c] + eps) * weight[c]) + bias[c];
    }

    static void BackwardInputKernel(
        Index1D i, ArrayView<float> weight, ArrayView<float> variance, float eps, ArrayView<float> dy, ArrayView<float> dx, int width)
    {
        int c = i % width;
        dx[i] = dy[i] / MathF.Sqrt(variance[c] + eps) * weight[c];
    }

    static void BackwardWeightKernel(
        Index1D c, ArrayView<float> x, ArrayView<float> mean, ArrayView<float> variance, float eps, ArrayView<float> dy, ArrayView<float> dWeight, int width)
    {
        float sum = 0;
        for (long i = c.X; i < x.Length; i += width)
            sum += dy[i] * (x[i] - mean[c]);
        dWeight[c] += sum / MathF.Sqrt(variance[c] + eps);
    }

    // ---- launchers ---------------------------------------------------------------------------------
    // On the `cpu` device a task holds rows that fit the first-level cache, and walks them a vector of channels at a time.
    public static unsafe void Forward(
        KernelContext k,
        ArrayView<float> x,
        ArrayView<float> weight,
        ArrayView<float> bias,
        ArrayView<float> mean,
        ArrayView<float> variance,
        float eps,
        ArrayView<float> y,
        int width)
    {
        using LaunchScope launch = k.Scope("BatchNorm.Forward", (x.Length, width), Work.Of(4 * x.Length, (2 * x.Length) + (4L * width)));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(ForwardKernel, y.Length, x, weight, bias, mean, variance, eps, y, width);
            return;
        }

        float* px = x.Pointer(), pw = weight.Pointer(), pb = bias.Pointer(), pm = mean.Pointer(), pv = variance.Pointer(), py = y.Pointer();
        cpu.Range(y.Length / width, Grain.Rows(width), (begin, end) =>
        {
            for (int c = 0; c < width; c += Lanes.Width)
            {
                int left = width - c;
                Vector<float> scale = Lanes.Load(pw + c, left) * Rstd(pv + c, left, eps), m = Lanes.Load(pm + c, left), b = Lanes.Load(pb + c, left);
                for (long i = (begin * width) + c; i < end * width; i += width)
                    Lanes.Store(((Lanes.Load(px + i, left) - m) * scale) + b, py + i, left);
            }
        });
    }

    public static unsafe void BackwardInput(
        KernelContext k, ArrayView<float> weight, ArrayView<float> variance, float eps, ArrayView<float> dy, ArrayView<float> dx, int width)
    {
        using LaunchScope launch = k.Scope("BatchNorm.BackwardInput", (dx.Length, width), Work.Of(dx.Length, (2 * dx.Length) + (2L * width)));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(BackwardInputKernel, dx.Length, weight, variance, eps, dy, dx, width);
            return;
        }

        float* pw = weight.Pointer(), pv = variance.Pointer(), pdy = dy.Pointer(), pdx = dx.Pointer();
        cpu.Range(dx.Length / width, Grain.Rows(width), (begin, end) =>
        {
            for (int c = 0; c < width; c += Lanes.Width)
            {
                int left = width - c;
                Vector<float> scale = Lanes.Load(pw + c, left) * Rstd(pv + c, left, eps);
                for (long i = (begin * width) + c; i < end * width; i += width)
                    Lanes.Store(Lanes.Load(pdy + i, left) * scale, pdx + i, left);
            }
        });
    }

    public static unsafe void BackwardWeight(
        KernelContext k,
        ArrayView<float> x,
        ArrayView<float> mean,
        ArrayView<float> variance,
        float eps,
        ArrayView<float> dy,
        ArrayView<float> dWeight,
        int width)
    {
        using LaunchScope launch = k.Scope("BatchNorm.BackwardWeight", (x.Length, width), Work.Of(4 * x.Length, (2 * x.Length) + (4L * width)));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(BackwardWeightKernel, width, x, mean, variance, eps, dy, dWeight, width);
            return;
        }

        float* px = x.Pointer(), pm = mean.Pointer(), pv = variance.Pointer(), pdy = dy.Pointer(), pdw = dWeight.Pointer();
        long count = x.Length;
        cpu.Range(width, ColumnSum.Strip, (begin, end) =>
        {
            for (long c = begin; c < end; c += Lanes.Width)
            {
                int left = (int)(end - c);
                Vector<float> m = Lanes.Load(pm + c, left), sum = default;
                for (long i = c; i < count; i += width)
                    sum += Lanes.Load(pdy + i, left) * (Lanes.Load(px + i, left) - m);
                Lanes.Store(Lanes.Load(pdw + c, left) + (sum * Rstd(pv + c, left, eps)), pdw + c, left);
            }
        });
    }

    static unsafe Vector<float> Rstd(float* variance, int left, float eps) =>
        Vector<float>.One / Vector.SquareRoot(Lanes.Load(variance, left) + new Vector<float>(eps));

    // ---- trials ------------------------------------------------------------------------------------
    const float TrialEps = 1e-5f;

    [Trial("R=20 C=24")]
    internal static void ForwardTrial(Trial t)
    {
        (long count, int c) = ((long)t["R"] * t["C"], t["C"]);
        Floats x = t.Normal(count), weight = t.Normal(c), bias = t.Normal(c), mean = t.Normal(c), variance = t.Positive(c), y = t.Result(count, Trial.Function);
        t.Run(() => Forward(t.Kernels, x, weight, bias, mean, variance, TrialEps, y, c), () => Reference.Forward(x, weight, bias, mean, variance, TrialEps, y));
    }

    [Trial("R=20 C=24")]
    internal static void BackwardInputTrial(Trial t)
    {
        (long count, int c) = ((long)t["R"] * t["C"], t["C"]);
        Floats weight = t.Normal(c), variance = t.Positive(c), dy = t.Normal(count), dx = t.Result(count, Trial.Function);
        t.Run(() => BackwardInput(t.Kernels, weight, variance, TrialEps, dy, dx, c), () => Reference.BackwardInput(weight, variance, TrialEps, dy, dx));
    }

    [Trial("R=20 C=24")]
    internal static void BackwardWeightTrial(Trial t)
    {
        (long count, int c) = ((long)t["R"] * t["C"], t["C"]);
        Floats x = t.Normal(count), mean = t.Normal(c), variance = t.Positive(c), dy = t.Normal(count), dWeight = t.Changed(c, Trial.SumOf(t["R"]) + Trial.Function);
        t.Run(() => BackwardWeight(t.Kernels, x, mean, variance, TrialEps, dy, dWeight, c), () => Reference.BackwardWeight(x, mean, variance, TrialEps, dy, dWeight));
    }
}
