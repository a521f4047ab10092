using System.Numerics;
using System.Numerics.Tensors;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Loss;

/// Cosine of the angle between rows:  y = a·b / (|a|·|b|), each norm at least eps (torch's clamp).
/// Backward:  da = dy·(b/(|a||b|) − y·a/|a|²), without the second term where |a| was clamped; db in the same way. Norms are recomputed.
public static class CosineSimilarity
{
    public const float Eps = 1e-8f;

    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> y, int d)   // (R, D), (R, D) -> (R)
        {
            for (int r = 0; r < y.Length; r++)
            {
                double dot = 0, aa = 0, bb = 0;
                for (int i = r * d; i < (r + 1) * d; i++)
                {
                    dot += (double)a[i] * b[i];
                    aa += (double)a[i] * a[i];
                    bb += (double)b[i] * b[i];
                }

                y[r] = (float)(dot / (Math.Max(Math.Sqrt(aa), Eps) * Math.Max(Math.Sqrt(bb), Eps)));
            }
        }

        public static void Backward(ReadOnlySpan<float> a, ReadOnlySpan<float> b, ReadOnlySpan<float> dy, Span<float> da, int d)
        {
            for (int r = 0; r < dy.Length; r++)
            {
                double dot = 0, aa = 0, bb = 0;
                for (int i = r * d; i < (r + 1) * d; i++)
                {
                    dot += (double)a[i] * b[i];
                    aa += (double)a[i] * a[i];
                    bb += (double)b[i] * b[i];
                }

                double norms = Math.Max(Math.Sqrt(aa), Eps) * Math.Max(Math.Sqrt(bb), Eps), along = Math.Sqrt(aa) < Eps ? 0 : dot / norms / aa;
                for (int i = r * d; i < (r + 1) * d; i++)
                    da[i] = (float)(dy[r] * ((b[i] / norms) - (along * a[i])));
            }
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    // One thread a row.
    static void ForwardKernel(Index1D r, ArrayView<float> a, ArrayView<float> b, ArrayView<float> y, int d)
    {
        long at = (long)r.X * d;
        float dot = 0, aa = 0, bb = 0;
        for (int i = 0; i < d; i++)
        {
            dot += a[at + i] * b[at + i];
            aa += a[at + i] * a[at + i];
            bb += b[at + i] * b[at + i];
        }

        y[r] = Cosine(dot, aa, bb);
    }

    static void BackwardKernel(Index1D r, ArrayView<float> a, ArrayView<float> b, ArrayView<float> dy, ArrayView<float> da, int d)
    {
        long at = (long)r.X * d;
        float dot = 0, aa = 0, bb = 0;
        for (int i = 0; i < d; i++)
        {
            dot += a[at + i] * b[at + i];
            aa += a[at + i] * a[at + i];
            bb += b[at + i] * b[at + i];
        }

        float ofA = dy[r] * OfA(dot, aa, bb), ofB = dy[r] * OfB(aa, bb);
        for (int i = 0; i < d; i++)
            da[at + i] = (ofB * b[at + i]) - (ofA * a[at + i]);
    }

    static float Norm(float square)
    {
        float norm = MathF.Sqrt(square);
        return norm < Eps ? Eps : norm;
    }

    static float Cosine(float dot, float aa, float bb) => dot / (Norm(aa) * Norm(bb));

    /// What b counts for in da.
    static float OfB(float aa, float bb) => 1 / (Norm(aa) * Norm(bb));

    /// What −a counts for in da.
    static float OfA(float dot, float aa, float bb) => MathF.Sqrt(aa) < Eps ? 0 : Cosine(dot, aa, bb) / aa;

    // ---- launchers ---------------------------------------------------------------------------------
    public static unsafe void Forward(KernelContext k, ArrayView<float> a, ArrayView<float> b, ArrayView<float> y, int d)
    {
        using LaunchScope launch = k.Scope("CosineSimilarity.Forward", (y.Length, d), Work.Of(6 * a.Length, (2 * a.Length) + y.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(ForwardKernel, y.Length, a, b, y, d);
            return;
        }

        float* pa = a.Pointer(), pb = b.Pointer(), py = y.Pointer();
        cpu.Range(y.Length, Grain.Rows(d), (begin, end) =>
        {
            for (long r = begin; r < end; r++)
            {
                ReadOnlySpan<float> rowA = new(pa + (r * d), d), rowB = new(pb + (r * d), d);
                py[r] = Cosine(TensorPrimitives.Dot(rowA, rowB), TensorPrimitives.SumOfSquares(rowA), TensorPrimitives.SumOfSquares(rowB));
            }
        });
    }

    /// da; with a and b exchanged, db.
    public static unsafe void Backward(KernelContext k, ArrayView<float> a, ArrayView<float> b, ArrayView<float> dy, ArrayView<float> da, int d)
    {
        using LaunchScope launch = k.Scope("CosineSimilarity.Backward", (dy.Length, d), Work.Of(9 * a.Length, (3 * a.Length) + dy.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(BackwardKernel, dy.Length, a, b, dy, da, d);
            return;
        }

        float* pa = a.Pointer(), pb = b.Pointer(), pdy = dy.Pointer(), pda = da.Pointer();
        cpu.Range(dy.Length, Grain.Rows(d), (begin, end) =>
        {
            for (long r = begin; r < end; r++)
            {
                ReadOnlySpan<float> rowA = new(pa + (r * d), d), rowB = new(pb + (r * d), d);
                float dot = TensorPrimitives.Dot(rowA, rowB), aa = TensorPrimitives.SumOfSquares(rowA), bb = TensorPrimitives.SumOfSquares(rowB);
                Vector<float> ofA = new(pdy[r] * OfA(dot, aa, bb)), ofB = new(pdy[r] * OfB(aa, bb));
                for (int i = 0; i < d; i += Lanes.Width)
                    Lanes.Store((ofB * Lanes.Load(pb + (r * d) + i, d - i)) - (ofA * Lanes.Load(pa + (r * d) + i, d - i)), pda + (r * d) + i, d - i);
            }
        });
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("R=8 D=40")]
    internal static void ForwardTrial(Trial t)
    {
        (int r, int d) = (t["R"], t["D"]);
        long count = (long)r * d;
        Floats a = t.Normal(count), b = t.Normal(count), y = t.Result(r, Trial.SumOf(d) + Trial.Function);
        t.Run(() => Forward(t.Kernels, a, b, y, d), () => Reference.Forward(a, b, y, d));
    }

    [Trial("R=8 D=40")]
    internal static void BackwardTrial(Trial t)
    {
        (int r, int d) = (t["R"], t["D"]);
        long count = (long)r * d;
        Floats a = t.Normal(count), b = t.Normal(count), dy = t.Normal(r), da = t.Result(count, Trial.SumOf(d) + Trial.Function);
        t.Run(() => Backward(t.Kernels, a, b, dy, da, d), () => Reference.Backward(a, b, dy, da, d));
    }
}
