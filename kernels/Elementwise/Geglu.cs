using System.Numerics;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Elementwise;

/// GEGLU:  y = h·gelu(g) with (h, g) the halves of p's rows, gelu exact.   Backward:  dh = dy·gelu(g), dg = dy·h·gelu′(g).
/// p (R, 2D) is kept; gelu(g) is recomputed.
public static class Geglu
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(ReadOnlySpan<float> p, Span<float> y, int d)   // p: (R, 2D)   y: (R, D)
        {
            for (int i = 0; i < y.Length; i++)
                y[i] = (float)(p[(i / d * 2 * d) + (i % d)] * Gelu.Define(p[(i / d * 2 * d) + d + (i % d)]));
        }

        public static void Backward(ReadOnlySpan<float> p, ReadOnlySpan<float> dy, Span<float> dp, int d)
        {
            for (int i = 0; i < dy.Length; i++)
            {
                int h = (i / d * 2 * d) + (i % d), g = h + d;
                dp[h] = (float)(dy[i] * Gelu.Define(p[g]));
                dp[g] = (float)(dy[i] * p[h] * Gelu.DefineSlope(p[g]));
            }
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    static void ForwardKernel(Index1D i, ArrayView<float> p, ArrayView<float> y, int d)
    {
        int row = i / d;
        long h = ((long)row * d) + i;
        y[i] = p[h] * Gelu.Forward(p[h + d]);
    }

    static void BackwardKernel(Index1D i, ArrayView<float> p, ArrayView<float> dy, ArrayView<float> dp, int d)
    {
        int row = i / d;
        long h = ((long)row * d) + i, g = h + d;
        dp[h] = dy[i] * Gelu.Forward(p[g]);
        dp[g] = Gelu.Backward(p[g], dy[i] * p[h]);
    }

    // ---- launchers ---------------------------------------------------------------------------------
    public static unsafe void Forward(KernelContext k, ArrayView<float> p, ArrayView<float> y, int d)
    {
        using LaunchScope launch = k.Scope("Geglu.Forward", (y.Length, d), Work.Of(2 * y.Length, 3 * y.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(ForwardKernel, y.Length, p, y, d);
            return;
        }

        float* pp = p.Pointer(), py = y.Pointer();
        cpu.Range(d == 0 ? 0 : y.Length / d, Grain.Rows(2 * d), (begin, end) =>
        {
            for (long r = begin; r < end; r++)
            {
                float* h = pp + (r * 2 * d), g = h + d, to = py + (r * d);
                for (int i = 0; i < d; i += Lanes.Width)
                    Lanes.Store(Lanes.Load(h + i, d - i) * Gelu.Forward(Lanes.Load(g + i, d - i)), to + i, d - i);
            }
        });
    }

    public static unsafe void Backward(KernelContext k, ArrayView<float> p, ArrayView<float> dy, ArrayView<float> dp, int d)
    {
        using LaunchScope launch = k.Scope("Geglu.Backward", (dy.Length, d), Work.Of(5 * dy.Length, 5 * dy.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(BackwardKernel, dy.Length, p, dy, dp, d);
            return;
        }

        float* pp = p.Pointer(), pdy = dy.Pointer(), pdp = dp.Pointer();
        cpu.Range(d == 0 ? 0 : dy.Length / d, Grain.Rows(2 * d), (begin, end) =>
        {
            for (long r = begin; r < end; r++)
            {
                float* h = pp + (r * 2 * d), g = h + d, from = pdy + (r * d), dh = pdp + (r * 2 * d), dg = dh + d;
                for (int i = 0; i < d; i += Lanes.Width)
                {
                    Vector<float> gate = Lanes.Load(g + i, d - i), grad = Lanes.Load(from + i, d - i);
                    Vector<float> normal = Gelu.Normal(gate);
                    Lanes.Store(grad * (gate * normal), dh + i, d - i);
                    Lanes.Store(Gelu.Backward(gate, grad * Lanes.Load(h + i, d - i), normal), dg + i, d - i);
                }
            }
        });
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("R=10 D=40")]
    internal static void ForwardTrial(Trial t)
    {
        long count = (long)t["R"] * t["D"];
        Floats p = t.Normal(2 * count), y = t.Result(count, Trial.Function);
        t.Run(() => Forward(t.Kernels, p, y, t["D"]), () => Reference.Forward(p, y, t["D"]));
    }

    [Trial("R=10 D=40")]
    internal static void BackwardTrial(Trial t)
    {
        long count = (long)t["R"] * t["D"];
        Floats p = t.Normal(2 * count), dy = t.Normal(count), dp = t.Result(2 * count, Trial.Function);
        t.Run(() => Backward(t.Kernels, p, dy, dp, t["D"]), () => Reference.Backward(p, dy, dp, t["D"]));
    }
}
