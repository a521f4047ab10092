using System.Numerics;
using System.Numerics.Tensors;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Elementwise;

/// y[r, c] = x[r, c]·v[r mod m, c]: v has x's shape (m = R) or is one row for all (m = 1).
/// Backward:  dx = dy·v: the same kernel;  dv = dy·x for equal shapes: the same again, or dv += Σ_r dy[r]·x[r].
public static class Multiply
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(ReadOnlySpan<float> x, ReadOnlySpan<float> v, Span<float> y)   // (N), (N or a divisor)
        {
            for (int i = 0; i < y.Length; i++)
                y[i] = x[i] * v[i % v.Length];
        }

        public static void BackwardRow(ReadOnlySpan<float> x, ReadOnlySpan<float> dy, Span<float> dv)
        {
            for (int c = 0; c < dv.Length; c++)
            {
                double sum = 0;
                for (int i = c; i < x.Length; i += dv.Length)
                    sum += (double)x[i] * dy[i];
                dv[c] += (float)sum;
            }
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    static void ForwardKernel(Index1D i, ArrayView<float> x, ArrayView<float> v, ArrayView<float> y) => y[i] = x[i] * v[i];

    static void ForwardRowKernel(Index1D i, ArrayView<float> x, ArrayView<float> v, ArrayView<float> y, int width) => y[i] = x[i] * v[i % width];

    static void BackwardRowKernel(Index1D c, ArrayView<float> x, ArrayView<float> dy, ArrayView<float> dv)
    {
        float sum = 0;
        for (long i = c.X; i < x.Length; i += dv.Length)
            sum += x[i] * dy[i];
        dv[c] += sum;
    }

    // ---- launchers ---------------------------------------------------------------------------------
    public static unsafe void Forward(KernelContext k, ArrayView<float> x, ArrayView<float> v, ArrayView<float> y)
    {
        using LaunchScope launch = k.Scope("Multiply.Forward", (x.Length, v.Length), Work.Of(y.Length, (2 * y.Length) + v.Length));
        bool row = v.Length != x.Length;
        int width = (int)v.Length;
        if (k.Cpu is not { } cpu)
        {
            if (row)
                k.Launch(ForwardRowKernel, y.Length, x, v, y, width);
            else
                k.Launch(ForwardKernel, y.Length, x, v, y);
            return;
        }

        float* px = x.Pointer(), pv = v.Pointer(), py = y.Pointer();
        if (row)
        {
            cpu.Range(width == 0 ? 0 : y.Length / width, Grain.Rows(width), (begin, end) =>
            {
                ReadOnlySpan<float> row = new(pv, width);
                for (long r = begin; r < end; r++)
                    TensorPrimitives.Multiply(new ReadOnlySpan<float>(px + (r * width), width), row, new Span<float>(py + (r * width), width));
            });
            return;
        }

        cpu.Range(y.Length, Grain.Elements, (begin, end) =>
        {
            int n = (int)(end - begin);
            TensorPrimitives.Multiply(new ReadOnlySpan<float>(px + begin, n), new ReadOnlySpan<float>(pv + begin, n), new Span<float>(py + begin, n));
        });
    }

    /// dv[c] += Σ_r dy[r, c]·x[r, c].
    public static unsafe void BackwardRow(KernelContext k, ArrayView<float> x, ArrayView<float> dy, ArrayView<float> dv)
    {
        using LaunchScope launch = k.Scope("Multiply.BackwardRow", (x.Length, dv.Length), Work.Of(2 * x.Length, (2 * x.Length) + (2 * dv.Length)));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(BackwardRowKernel, dv.Length, x, dy, dv);
            return;
        }

        float* px = x.Pointer(), pdy = dy.Pointer(), pdv = dv.Pointer();
        int width = (int)dv.Length;
        long rows = width == 0 ? 0 : x.Length / width;
        cpu.Range(width, ColumnSum.Strip, (begin, end) =>
        {
            for (long c = begin; c < end; c += Lanes.Width)
            {
                int left = (int)(end - c);
                Vector<float> sum = Lanes.Load(pdv + c, left);
                for (long i = c; i < rows * width; i += width)
                    sum += Lanes.Load(px + i, left) * Lanes.Load(pdy + i, left);
                Lanes.Store(sum, pdv + c, left);
            }
        });
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("N=1000")]
    internal static void ForwardTrial(Trial t)
    {
        Floats x = t.Normal(t["N"]), v = t.Normal(t["N"]), y = t.Result(t["N"], Trial.Exact);
        t.Run(() => Forward(t.Kernels, x, v, y), () => Reference.Forward(x, v, y));
    }

    [Trial("R=20 C=50")]
    internal static void ForwardRowTrial(Trial t)
    {
        long count = (long)t["R"] * t["C"];
        Floats x = t.Normal(count), v = t.Normal(t["C"]), y = t.Result(count, Trial.Exact);
        t.Run(() => Forward(t.Kernels, x, v, y), () => Reference.Forward(x, v, y));
    }

    [Trial("R=20 C=50")]
    internal static void BackwardRowTrial(Trial t)
    {
        long count = (long)t["R"] * t["C"];
        Floats x = t.Normal(count), dy = t.Normal(count), dv = t.Changed(t["C"], Trial.SumOf(t["R"]));
        t.Run(() => BackwardRow(t.Kernels, x, dy, dv), () => Reference.BackwardRow(x, dy, dv));
    }
}
