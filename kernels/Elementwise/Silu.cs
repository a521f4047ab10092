using System.Numerics.Tensors;
using IlgpuDiffusion.Kernels.Common;
using ILGPU;

namespace IlgpuDiffusion.Kernels.Elementwise;

/// SiLU:  y = x·σ(x).   Backward:  dx = dy·σ(x)·(1 + x·(1 − σ(x))).
/// x is kept for the backward pass; σ(x) is recomputed: one exp is cheaper than a second N-element buffer.
public static class Silu
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(ReadOnlySpan<float> x, Span<float> y)   // (N)
        {
            for (int i = 0; i < x.Length; i++)
                y[i] = (float)(x[i] * Sigmoid(x[i]));
        }

        public static void Backward(ReadOnlySpan<float> x, ReadOnlySpan<float> dy, Span<float> dx)
        {
            for (int i = 0; i < x.Length; i++)
            {
                double s = Sigmoid(x[i]);
                dx[i] = (float)(dy[i] * s * (1 + (x[i] * (1 - s))));
            }
        }

        static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));
    }

    // ---- kernels -----------------------------------------------------------------------------------
    static void ForwardKernel(Index1D i, ArrayView<float> x, ArrayView<float> y) => y[i] = x[i] / (1 + MathF.Exp(-x[i]));

    static void BackwardKernel(Index1D i, ArrayView<float> x, ArrayView<float> dy, ArrayView<float> dx)
    {
        float s = 1 / (1 + MathF.Exp(-x[i]));
        dx[i] = dy[i] * s * (1 + (x[i] * (1 - s)));
    }

    // ---- launchers ---------------------------------------------------------------------------------
    public static unsafe void Forward(KernelContext k, ArrayView<float> x, ArrayView<float> y)
    {
        if (k.Cpu is not { } cpu)
        {
            k.Launch(ForwardKernel, y.Length, x, y);
            return;
        }

        float* px = x.Pointer(), py = y.Pointer();
        cpu.Range(y.Length, Grain.Elements, (begin, end) =>
        {
            int n = (int)(end - begin);
            ReadOnlySpan<float> from = new(px + begin, n);
            Span<float> to = new(py + begin, n);
            TensorPrimitives.Sigmoid(from, to);
            TensorPrimitives.Multiply(from, to, to);
        });
    }

    public static unsafe void Backward(KernelContext k, ArrayView<float> x, ArrayView<float> dy, ArrayView<float> dx)
    {
        if (k.Cpu is not { } cpu)
        {
            k.Launch(BackwardKernel, dx.Length, x, dy, dx);
            return;
        }

        float* px = x.Pointer(), pdy = dy.Pointer(), pdx = dx.Pointer();
        cpu.Range(dx.Length, Grain.Elements, (begin, end) =>
        {
            // dx = dy·s·(1 + x − x·s), built in place over s so that the pass needs no buffer of its own.
            int n = (int)(end - begin);
            ReadOnlySpan<float> v = new(px + begin, n), g = new(pdy + begin, n);
            Span<float> s = new(pdx + begin, n);
            TensorPrimitives.Sigmoid(v, s);
            for (int i = 0; i < n; i++)
                s[i] = g[i] * s[i] * (1 + v[i] - (v[i] * s[i]));
        });
    }
}
