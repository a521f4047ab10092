using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Spatial;

/// How y walks over x, for up to five axes: extents of y, outermost first, and the stride in x of each. Missing axes are outer ones of extent 1.
public readonly record struct PermuteLayout(int E0, int E1, int E2, int E3, int E4, long S0, long S1, long S2, long S3, long S4)
{
    public const int MaxRank = 5;

    /// y's axis n is x's axis order[n].
    public static PermuteLayout Of(ReadOnlySpan<int> extents, ReadOnlySpan<int> order)
    {
        Span<long> strides = stackalloc long[extents.Length];
        long stride = 1;
        for (int axis = extents.Length - 1; axis >= 0; axis--)
        {
            strides[axis] = stride;
            stride *= extents[axis];
        }

        Span<int> e = [1, 1, 1, 1, 1];
        Span<long> s = [0, 0, 0, 0, 0];
        for (int n = 0; n < order.Length; n++)
        {
            e[MaxRank - order.Length + n] = extents[order[n]];
            s[MaxRank - order.Length + n] = strides[order[n]];
        }

        return new(e[0], e[1], e[2], e[3], e[4], s[0], s[1], s[2], s[3], s[4]);
    }
}

/// y = x with its axes in another order.   Backward: dx = dy in the inverse order, the same kernel.
public static class Permute
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(ReadOnlySpan<float> x, Span<float> y, PermuteLayout l)
        {
            int i = 0;
            for (int a = 0; a < l.E0; a++)
            {
                for (int b = 0; b < l.E1; b++)
                {
                    for (int c = 0; c < l.E2; c++)
                    {
                        for (int d = 0; d < l.E3; d++)
                        {
                            for (int e = 0; e < l.E4; e++)
                                y[i++] = x[(int)((a * l.S0) + (b * l.S1) + (c * l.S2) + (d * l.S3) + (e * l.S4))];
                        }
                    }
                }
            }
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    static void ForwardKernel(Index1D i, ArrayView<float> x, ArrayView<float> y, PermuteLayout l)
    {
        int line = i / l.E4;
        y[i] = x[LineStart(line, l) + ((i - (line * l.E4)) * l.S4)];
    }

    /// Where in x the run of y's last axis begins.
    static long LineStart(int line, PermuteLayout l)
    {
        int c = line / l.E3, b = c / l.E2, a = b / l.E1;
        return (a * l.S0) + ((b - (a * l.E1)) * l.S1) + ((c - (b * l.E2)) * l.S2) + ((line - (c * l.E3)) * l.S3);
    }

    // ---- launchers ---------------------------------------------------------------------------------
    public static unsafe void Forward(KernelContext k, ArrayView<float> x, ArrayView<float> y, PermuteLayout l)
    {
        using LaunchScope launch = k.Scope("Permute.Forward", l, Work.Of(0, 2 * y.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(ForwardKernel, y.Length, x, y, l);
            return;
        }

        float* px = x.Pointer(), py = y.Pointer();
        cpu.Range(y.Length == 0 ? 0 : y.Length / l.E4, Grain.Rows(l.E4), (begin, end) =>
        {
            long bytes = (long)l.E4 * sizeof(float);
            for (long line = begin; line < end; line++)
            {
                float* from = px + LineStart((int)line, l), to = py + (line * l.E4);
                // The last axis stays last: whole runs are copied.
                if (l.S4 == 1)
                {
                    Buffer.MemoryCopy(from, to, bytes, bytes);
                    continue;
                }

                for (int i = 0; i < l.E4; i++)
                    to[i] = from[i * l.S4];
            }
        });
    }

    // ---- trials ------------------------------------------------------------------------------------
    // (A, B, C) as (C, A, B).
    [Trial("A=6 B=7 C=8")]
    internal static void ForwardTrial(Trial t)
    {
        PermuteLayout l = PermuteLayout.Of([t["A"], t["B"], t["C"]], [2, 0, 1]);
        long count = (long)t["A"] * t["B"] * t["C"];
        Floats x = t.Normal(count), y = t.Result(count, Trial.Exact);
        t.Run(() => Forward(t.Kernels, x, y, l), () => Reference.Forward(x, y, l));
    }
}
