using System.Numerics;
using System.Numerics.Tensors;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;

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
}
