using System.Runtime.CompilerServices;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Attention;

/// Softmax over the rows of x (N, D):  y = exp(x − max) / Σ exp(x − max).   Backward:  dx = y·(dy − Σ y·dy).
/// LogSoftmax:  y = x − max − log Σ exp(x − max).   Backward:  dx = dy − exp(y)·Σ dy.
/// y is kept. A row of −∞ gives zeros (LogSoftmax: −∞), not NaN.
public static class Softmax
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(ReadOnlySpan<float> x, Span<float> y, int d, bool log)   // (N, D)
        {
            for (int row = 0; row < x.Length; row += d)
            {
                double max = double.NegativeInfinity, sum = 0;
                foreach (float v in x.Slice(row, d))
                    max = Math.Max(max, v);
                if (double.IsNegativeInfinity(max))
                    max = 0;
                foreach (float v in x.Slice(row, d))
                    sum += Math.Exp(v - max);
                for (int i = row; i < row + d; i++)
                {
                    y[i] = log ? (float)(x[i] - max - (sum > 0 ? Math.Log(sum) : 0))
                        : sum > 0 ? (float)(Math.Exp(x[i] - max) / sum) : 0;
                }
            }
        }

        public static void Backward(ReadOnlySpan<float> y, ReadOnlySpan<float> dy, Span<float> dx, int d, bool log)
        {
            for (int row = 0; row < y.Length; row += d)
            {
                double sum = 0;
                for (int i = row; i < row + d; i++)
                    sum += log ? dy[i] : (double)y[i] * dy[i];
                for (int i = row; i < row + d; i++)
                    dx[i] = (float)(log ? dy[i] - (Math.Exp(y[i]) * sum) : y[i] * (dy[i] - sum));
            }
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    // V1: one thread a row.
    static void ForwardKernel(Index1D row, ArrayView<float> x, ArrayView<float> y, int d, int log)
    {
        long first = (long)row.X * d;
        float max = float.NegativeInfinity, sum = 0;
        for (int i = 0; i < d; i++)
            max = MathF.Max(max, x[first + i]);
        if (max == float.NegativeInfinity)
            max = 0;
        for (int i = 0; i < d; i++)
        {
            float e = MathF.Exp(x[first + i] - max);
            sum += e;
            y[first + i] = e;
        }

        float logSum = sum > 0 ? MathF.Log(sum) : 0, reciprocal = sum > 0 ? 1 / sum : 0;
        for (int i = 0; i < d; i++)
            y[first + i] = log != 0 ? x[first + i] - max - logSum : y[first + i] * reciprocal;
    }

    static void BackwardKernel(Index1D row, ArrayView<float> y, ArrayView<float> dy, ArrayView<float> dx, int d, int log)
    {
        long first = (long)row.X * d;
        float sum = 0;
        for (int i = 0; i < d; i++)
            sum += log != 0 ? dy[first + i] : y[first + i] * dy[first + i];
        for (int i = 0; i < d; i++)
            dx[first + i] = log != 0 ? dy[first + i] - (MathF.Exp(y[first + i]) * sum) : y[first + i] * (dy[first + i] - sum);
    }

    // ---- launchers ---------------------------------------------------------------------------------
    public static unsafe void Forward(KernelContext k, ArrayView<float> x, ArrayView<float> y, int d, bool log)
    {
        using LaunchScope launch = k.Scope("Softmax.Forward", (y.Length, d), Work.Of(4 * y.Length, 2 * y.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(ForwardKernel, y.Length / d, x, y, d, log ? 1 : 0);
            return;
        }

        float* px = x.Pointer(), py = y.Pointer();
        cpu.Range(y.Length / d, Grain.Rows(d), (begin, end) =>
        {
            for (long row = begin; row < end; row++)
                ForwardRow(px + (row * d), py + (row * d), d, log);
        });
    }

    public static unsafe void Backward(KernelContext k, ArrayView<float> y, ArrayView<float> dy, ArrayView<float> dx, int d, bool log)
    {
        using LaunchScope launch = k.Scope("Softmax.Backward", (dx.Length, d), Work.Of(4 * dx.Length, 3 * dx.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(BackwardKernel, dx.Length / d, y, dy, dx, d, log ? 1 : 0);
            return;
        }

        float* py = y.Pointer(), pdy = dy.Pointer(), pdx = dx.Pointer();
        cpu.Range(dx.Length / d, Grain.Rows(d), (begin, end) =>
        {
            for (long row = begin; row < end; row++)
                BackwardRow(py + (row * d), pdy + (row * d), pdx + (row * d), d, log);
        });
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static unsafe void ForwardRow(float* x, float* y, int d, bool log)
    {
        float max = System.Numerics.Tensors.TensorPrimitives.Max(new ReadOnlySpan<float>(x, d));
        if (float.IsNegativeInfinity(max))
            max = 0;
        Wide lanes = Wide.All(0);
        int i = 0;
        for (; i + Wide.Count <= d; i += Wide.Count)
        {
            Wide e = Wide.Exp(Wide.Load(x + i) - Wide.All(max));
            lanes += e;
            e.Store(y + i);
        }

        double sum = lanes.Sum();
        for (; i < d; i++)
            sum += y[i] = MathF.Exp(x[i] - max);
        if (!log)
        {
            Tile.Scale(y, d, sum > 0 ? (float)(1 / sum) : 0, y);
            return;
        }

        // The logarithm is rounded once and added to small differences, not to the possibly huge maximum.
        float logSum = sum > 0 ? (float)Math.Log(sum) : 0;
        for (i = 0; i < d; i++)
            y[i] = x[i] - max - logSum;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static unsafe void BackwardRow(float* y, float* dy, float* dx, int d, bool log)
    {
        float sum = log ? System.Numerics.Tensors.TensorPrimitives.Sum(new ReadOnlySpan<float>(dy, d)) : Tile.Dot(y, dy, d);
        int i = 0;
        for (; i + Wide.Count <= d; i += Wide.Count)
            Gradient<Wide>(y + i, dy + i, dx + i, sum, log);
        for (; i < d; i++)
            Gradient<Narrow>(y + i, dy + i, dx + i, sum, log);
    }

    static unsafe void Gradient<T>(float* y, float* dy, float* dx, float sum, bool log)
        where T : struct, ILanes<T>
    {
        T g = T.Load(dy), s = T.All(sum);
        (log ? g - (T.Exp(T.Load(y)) * s) : T.Load(y) * (g - s)).Store(dx);
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("R=20 D=40 log=0")]
    internal static void ForwardTrial(Trial t)
    {
        (long count, int d, bool log) = ((long)t["R"] * t["D"], t["D"], t["log"] != 0);
        Floats x = t.Normal(count), y = t.Result(count, Trial.Function + Trial.SumOf(d));
        t.Run(() => Forward(t.Kernels, x, y, d, log), () => Reference.Forward(x, y, d, log));
    }

    [Trial("R=20 D=40 log=0")]
    internal static void BackwardTrial(Trial t)
    {
        (long count, int d, bool log) = ((long)t["R"] * t["D"], t["D"], t["log"] != 0);
        Floats y = t.Normal(count), dy = t.Normal(count), dx = t.Result(count, Trial.Function + Trial.SumOf(d));
        t.Run(() => Backward(t.Kernels, y, dy, dx, d, log), () => Reference.Backward(y, dy, dx, d, log));
    }
}
