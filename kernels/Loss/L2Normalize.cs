using System.Numerics;
using System.Numerics.Tensors;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Loss;

/// Rows to length 1:  y = x/n, n = max(|x|, 1e-12).   Backward:  dx = (dy − x·(x·dy)/n²)/n, without the second term where n was clamped.
public static class L2Normalize
{
    public const float Eps = 1e-12f;

    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(ReadOnlySpan<float> x, Span<float> y, int d)   // (R, D)
        {
            for (int r = 0; r < x.Length / d; r++)
            {
                double square = 0;
                for (int i = r * d; i < (r + 1) * d; i++)
                    square += (double)x[i] * x[i];
                for (int i = r * d; i < (r + 1) * d; i++)
                    y[i] = (float)(x[i] / Math.Max(Math.Sqrt(square), Eps));
            }
        }

        public static void Backward(ReadOnlySpan<float> x, ReadOnlySpan<float> dy, Span<float> dx, int d)
        {
            for (int r = 0; r < x.Length / d; r++)
            {
                double square = 0, dot = 0;
                for (int i = r * d; i < (r + 1) * d; i++)
                {
                    square += (double)x[i] * x[i];
                    dot += (double)x[i] * dy[i];
                }

                double norm = Math.Max(Math.Sqrt(square), Eps), along = Math.Sqrt(square) < Eps ? 0 : dot / square;
                for (int i = r * d; i < (r + 1) * d; i++)
                    dx[i] = (float)((dy[i] - (x[i] * along)) / norm);
            }
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    // One thread a row.
    static void ForwardKernel(Index1D r, ArrayView<float> x, ArrayView<float> y, int d)
    {
        long at = (long)r.X * d;
        float square = 0;
        for (int i = 0; i < d; i++)
            square += x[at + i] * x[at + i];
        float scale = Scale(square);
        for (int i = 0; i < d; i++)
            y[at + i] = scale * x[at + i];
    }

    static void BackwardKernel(Index1D r, ArrayView<float> x, ArrayView<float> dy, ArrayView<float> dx, int d)
    {
        long at = (long)r.X * d;
        float square = 0, dot = 0;
        for (int i = 0; i < d; i++)
        {
            square += x[at + i] * x[at + i];
            dot += x[at + i] * dy[at + i];
        }

        float scale = Scale(square), along = Along(square, dot);
        for (int i = 0; i < d; i++)
            dx[at + i] = scale * (dy[at + i] - (along * x[at + i]));
    }

    static float Scale(float square)
    {
        float norm = MathF.Sqrt(square);
        return 1 / (norm < Eps ? Eps : norm);
    }

    static float Along(float square, float dot) => MathF.Sqrt(square) < Eps ? 0 : dot / square;

    // ---- launchers ---------------------------------------------------------------------------------
    public static unsafe void Forward(KernelContext k, ArrayView<float> x, ArrayView<float> y, int d)
    {
        using LaunchScope launch = k.Scope("L2Normalize.Forward", (y.Length, d), Work.Of(3 * y.Length, 2 * y.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(ForwardKernel, y.Length / d, x, y, d);
            return;
        }

        float* px = x.Pointer(), py = y.Pointer();
        cpu.Range(y.Length / d, Grain.Rows(d), (begin, end) =>
        {
            for (long r = begin; r < end; r++)
            {
                ReadOnlySpan<float> row = new(px + (r * d), d);
                TensorPrimitives.Multiply(row, Scale(TensorPrimitives.SumOfSquares(row)), new Span<float>(py + (r * d), d));
            }
        });
    }

    public static unsafe void Backward(KernelContext k, ArrayView<float> x, ArrayView<float> dy, ArrayView<float> dx, int d)
    {
        using LaunchScope launch = k.Scope("L2Normalize.Backward", (dx.Length, d), Work.Of(7 * dx.Length, 3 * dx.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(BackwardKernel, dx.Length / d, x, dy, dx, d);
            return;
        }

        float* px = x.Pointer(), pdy = dy.Pointer(), pdx = dx.Pointer();
        cpu.Range(dx.Length / d, Grain.Rows(d), (begin, end) =>
        {
            for (long r = begin; r < end; r++)
            {
                ReadOnlySpan<float> row = new(px + (r * d), d);
                float square = TensorPrimitives.SumOfSquares(row);
                Vector<float> scale = new(Scale(square)), along = new(Along(square, TensorPrimitives.Dot(row, new(pdy + (r * d), d))));
                for (int i = 0; i < d; i += Lanes.Width)
                    Lanes.Store(scale * (Lanes.Load(pdy + (r * d) + i, d - i) - (along * Lanes.Load(px + (r * d) + i, d - i))), pdx + (r * d) + i, d - i);
            }
        });
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("R=8 D=40")]
    internal static void ForwardTrial(Trial t)
    {
        int d = t["D"];
        long count = (long)t["R"] * d;
        Floats x = t.Normal(count), y = t.Result(count, Trial.SumOf(d) + Trial.Function);
        t.Run(() => Forward(t.Kernels, x, y, d), () => Reference.Forward(x, y, d));
    }

    [Trial("R=8 D=40")]
    internal static void BackwardTrial(Trial t)
    {
        int d = t["D"];
        long count = (long)t["R"] * d;
        Floats x = t.Normal(count), dy = t.Normal(count), dx = t.Result(count, Trial.SumOf(d) + Trial.Function);
        t.Run(() => Backward(t.Kernels, x, dy, dx, d), () => Reference.Backward(x, dy, dx, d));
    }
}
