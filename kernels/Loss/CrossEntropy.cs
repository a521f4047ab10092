using System.Numerics.Tensors;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Loss;

/// Cross entropy against a label, one value a row:  y[r] = log Σ_n e^x[r, n] − x[r, label[r]].
/// Backward:  dx[r, n] = dy[r]·(softmax(x[r])[n] − 1 where n is the label).   The softmax is recomputed from x.
public static class CrossEntropy
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(ReadOnlySpan<float> x, ReadOnlySpan<int> labels, Span<float> y, int n)   // (R, N), (R) -> (R)
        {
            for (int r = 0; r < y.Length; r++)
            {
                double max = double.NegativeInfinity, sum = 0;
                for (int i = 0; i < n; i++)
                    max = Math.Max(max, x[(r * n) + i]);
                for (int i = 0; i < n; i++)
                    sum += Math.Exp(x[(r * n) + i] - max);
                y[r] = (float)(max + Math.Log(sum) - x[(r * n) + labels[r]]);
            }
        }

        public static void Backward(ReadOnlySpan<float> x, ReadOnlySpan<int> labels, ReadOnlySpan<float> dy, Span<float> dx, int n)
        {
            for (int r = 0; r < dy.Length; r++)
            {
                double max = double.NegativeInfinity, sum = 0;
                for (int i = 0; i < n; i++)
                    max = Math.Max(max, x[(r * n) + i]);
                for (int i = 0; i < n; i++)
                    sum += Math.Exp(x[(r * n) + i] - max);
                for (int i = 0; i < n; i++)
                    dx[(r * n) + i] = (float)(dy[r] * ((Math.Exp(x[(r * n) + i] - max) / sum) - (i == labels[r] ? 1 : 0)));
            }
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    // One thread a row.
    static void ForwardKernel(Index1D r, ArrayView<float> x, ArrayView<int> labels, ArrayView<float> y, int n)
    {
        long at = (long)r.X * n;
        float max = Max(x, at, n), sum = 0;
        for (int i = 0; i < n; i++)
            sum += MathF.Exp(x[at + i] - max);
        y[r] = MathF.Log(sum) + (max - x[at + labels[r]]);
    }

    static void BackwardKernel(Index1D r, ArrayView<float> x, ArrayView<int> labels, ArrayView<float> dy, ArrayView<float> dx, int n)
    {
        long at = (long)r.X * n;
        float max = Max(x, at, n), sum = 0;
        for (int i = 0; i < n; i++)
            sum += MathF.Exp(x[at + i] - max);
        for (int i = 0; i < n; i++)
            dx[at + i] = dy[r] * ((MathF.Exp(x[at + i] - max) / sum) - (i == labels[r] ? 1f : 0f));
    }

    static float Max(ArrayView<float> x, long at, int n)
    {
        float max = x[at];
        for (int i = 1; i < n; i++)
        {
            if (x[at + i] > max)
                max = x[at + i];
        }

        return max;
    }

    // ---- launchers ---------------------------------------------------------------------------------
    public static unsafe void Forward(KernelContext k, ArrayView<float> x, ArrayView<int> labels, ArrayView<float> y, int n)
    {
        using LaunchScope launch = k.Scope("CrossEntropy.Forward", (y.Length, n), Work.Of(3 * x.Length, x.Length + (2 * y.Length)));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(ForwardKernel, y.Length, x, labels, y, n);
            return;
        }

        float* px = x.Pointer(), py = y.Pointer();
        int* label = labels.Pointer();
        cpu.Range(y.Length, Grain.Rows(n), (begin, end) =>
        {
            for (long r = begin; r < end; r++)
            {
                float* row = px + (r * n);
                float max = TensorPrimitives.Max(new ReadOnlySpan<float>(row, n));
                py[r] = MathF.Log(SumExp(row, max, n, null)) + (max - row[label[r]]);
            }
        });
    }

    public static unsafe void Backward(KernelContext k, ArrayView<float> x, ArrayView<int> labels, ArrayView<float> dy, ArrayView<float> dx, int n)
    {
        using LaunchScope launch = k.Scope("CrossEntropy.Backward", (dy.Length, n), Work.Of(5 * x.Length, (2 * x.Length) + (2 * dy.Length)));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(BackwardKernel, dy.Length, x, labels, dy, dx, n);
            return;
        }

        float* px = x.Pointer(), pdy = dy.Pointer(), pdx = dx.Pointer();
        int* label = labels.Pointer();
        cpu.Range(dy.Length, Grain.Rows(n), (begin, end) =>
        {
            for (long r = begin; r < end; r++)
            {
                float* row = px + (r * n), to = pdx + (r * n);
                float sum = SumExp(row, TensorPrimitives.Max(new ReadOnlySpan<float>(row, n)), n, to);
                Span<float> exps = new(to, n);
                TensorPrimitives.Multiply(exps, pdy[r] / sum, exps);
                to[label[r]] -= pdy[r];
            }
        });
    }

    /// Σ e^(x − max), in order; each e^(x − max) goes to `exps` where that is given.
    static unsafe float SumExp(float* x, float max, int n, float* exps)
    {
        float sum = 0;
        for (int i = 0; i < n; i++)
        {
            float e = MathF.Exp(x[i] - max);
            sum += e;
            if (exps is not null)
                exps[i] = e;
        }

        return sum;
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("R=8 N=40")]
    internal static void ForwardTrial(Trial t)
    {
        (int r, int n) = (t["R"], t["N"]);
        Ints labels = t.Below(n, r);
        Floats x = t.Normal((long)r * n), y = t.Result(r, Trial.SumOf(n) + Trial.Function);
        t.Run(() => Forward(t.Kernels, x, labels, y, n), () => Reference.Forward(x, labels, y, n));
    }

    [Trial("R=8 N=40")]
    internal static void BackwardTrial(Trial t)
    {
        (int r, int n) = (t["R"], t["N"]);
        Ints labels = t.Below(n, r);
        Floats x = t.Normal((long)r * n), dy = t.Normal(r), dx = t.Result((long)r * n, Trial.SumOf(n) + Trial.Function);
        t.Run(() => Backward(t.Kernels, x, labels, dy, dx, n), () => Reference.Backward(x, labels, dy, dx, n));
    }
}
