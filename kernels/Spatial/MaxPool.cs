using System.Numerics;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Spatial;

/// Largest of k×k windows; of equal values the first in reading order, as in torch, and a NaN is larger than any. `argmax` keeps, for each
/// output, the pixel h·W + w of its sample.
/// Backward, gathered: dx[h, w] = Σ dy over the windows that cover (h, w) and chose it.
public static class MaxPool
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(ReadOnlySpan<float> x, Span<float> y, Span<int> argmax, int b, PoolWindows p)   // (B, H, W, C) -> (B, H', W', C)
        {
            for (int o = 0; o < y.Length; o++)
            {
                (int n, int i, int j, int c) = (o / p.C / p.OutW / p.OutH, o / p.C / p.OutW % p.OutH, o / p.C % p.OutW, o % p.C);
                y[o] = float.NegativeInfinity;
                argmax[o] = -1;
                for (int h = Math.Max(0, (i * p.Stride) - p.Padding); h < Math.Min(p.H, (i * p.Stride) - p.Padding + p.Kernel); h++)
                {
                    for (int w = Math.Max(0, (j * p.Stride) - p.Padding); w < Math.Min(p.W, (j * p.Stride) - p.Padding + p.Kernel); w++)
                    {
                        float v = x[(((((n * p.H) + h) * p.W) + w) * p.C) + c];
                        if (argmax[o] < 0 || v > y[o] || float.IsNaN(v))
                            (y[o], argmax[o]) = (v, (h * p.W) + w);
                    }
                }
            }
        }

        public static void Backward(ReadOnlySpan<float> dy, ReadOnlySpan<int> argmax, Span<float> dx, int b, PoolWindows p)
        {
            dx.Clear();
            for (int o = 0; o < dy.Length; o++)
                dx[((((o / p.C / p.OutW / p.OutH * p.H * p.W) + argmax[o]) * p.C) + (o % p.C))] += dy[o];
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    static void ForwardKernel(Index1D o, ArrayView<float> x, ArrayView<float> y, ArrayView<int> argmax, PoolWindows p)
    {
        int pixel = o / p.C, c = o - (pixel * p.C), line = pixel / p.OutW, j = pixel - (line * p.OutW), n = line / p.OutH, i = line - (n * p.OutH);
        int top = (i * p.Stride) - p.Padding, left = (j * p.Stride) - p.Padding;
        float best = float.NegativeInfinity;
        int chosen = -1;
        for (int h = IntrinsicMath.Max(top, 0); h < IntrinsicMath.Min(top + p.Kernel, p.H); h++)
        {
            for (int w = IntrinsicMath.Max(left, 0); w < IntrinsicMath.Min(left + p.Kernel, p.W); w++)
            {
                float v = x[((((((long)n * p.H) + h) * p.W) + w) * p.C) + c];
                if (chosen < 0 || v > best || float.IsNaN(v))
                {
                    best = v;
                    chosen = (h * p.W) + w;
                }
            }
        }

        y[o] = best;
        argmax[o] = chosen;
    }

    static void BackwardKernel(Index1D o, ArrayView<float> dy, ArrayView<int> argmax, ArrayView<float> dx, PoolWindows p)
    {
        int pixel = o / p.C, c = o - (pixel * p.C), line = pixel / p.W, w = pixel - (line * p.W), n = line / p.H, h = line - (n * p.H);
        float sum = 0;
        for (int i = p.FirstOver(h); i < p.EndOver(h, p.OutH); i++)
        {
            for (int j = p.FirstOver(w); j < p.EndOver(w, p.OutW); j++)
            {
                long at = ((((((long)n * p.OutH) + i) * p.OutW) + j) * p.C) + c;
                if (argmax[at] == (h * p.W) + w)
                    sum += dy[at];
            }
        }

        dx[o] = sum;
    }

    // ---- launchers ---------------------------------------------------------------------------------
    public static unsafe void Forward(KernelContext k, ArrayView<float> x, ArrayView<float> y, ArrayView<int> argmax, int b, PoolWindows p)
    {
        using LaunchScope launch = k.Scope("MaxPool.Forward", p, Work.Of(y.Length * p.Kernel * p.Kernel, x.Length + (2 * y.Length)));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(ForwardKernel, y.Length, x, y, argmax, p);
            return;
        }

        float* px = x.Pointer(), py = y.Pointer();
        int* chosen = argmax.Pointer();
        cpu.Range((long)b * p.OutH, Grain.Rows(p.OutW * p.C * p.Kernel * p.Kernel), (begin, end) =>
        {
            for (long o = begin * p.OutW; o < end * p.OutW; o++)
            {
                long line = o / p.OutW, n = line / p.OutH;
                int top = ((int)(line - (n * p.OutH)) * p.Stride) - p.Padding, left = ((int)(o - (line * p.OutW)) * p.Stride) - p.Padding;
                Largest(px + (n * p.H * p.W * p.C), py + (o * p.C), chosen + (o * p.C), top, left, p);
            }
        });
    }

    public static unsafe void Backward(KernelContext k, ArrayView<float> dy, ArrayView<int> argmax, ArrayView<float> dx, int b, PoolWindows p)
    {
        using LaunchScope launch = k.Scope("MaxPool.Backward", p, Work.Of(dy.Length, dx.Length + (2 * dy.Length)));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(BackwardKernel, dx.Length, dy, argmax, dx, p);
            return;
        }

        float* pdy = dy.Pointer(), pdx = dx.Pointer();
        int* chosen = argmax.Pointer();
        cpu.Range((long)b * p.H, Grain.Rows(p.W * p.C), (begin, end) =>
        {
            for (long o = begin * p.W; o < end * p.W; o++)
            {
                long line = o / p.W, n = line / p.H, first = n * p.OutH * p.OutW * p.C;
                Choosers(pdy + first, chosen + first, pdx + (o * p.C), (int)(line - (n * p.H)), (int)(o - (line * p.W)), p);
            }
        });
    }

    static unsafe void Largest(float* sample, float* y, int* argmax, int top, int left, PoolWindows p)
    {
        for (int c = 0; c < p.C; c += Lanes.Width)
        {
            int lanes = p.C - c;
            Vector<float> best = new(float.NegativeInfinity);
            Vector<int> chosen = new(-1);
            for (int h = Math.Max(top, 0); h < Math.Min(top + p.Kernel, p.H); h++)
            {
                for (int w = Math.Max(left, 0); w < Math.Min(left + p.Kernel, p.W); w++)
                {
                    int pixel = (h * p.W) + w;
                    Vector<float> v = Lanes.Load(sample + ((long)pixel * p.C) + c, lanes);
                    Vector<int> take = Vector.GreaterThan(v, best) | ~Vector.Equals(v, v) | Vector.LessThan(chosen, Vector<int>.Zero);
                    best = Vector.ConditionalSelect(take, v, best);
                    chosen = Vector.ConditionalSelect(take, new(pixel), chosen);
                }
            }

            Lanes.Store(best, y + c, lanes);
            Lanes.Store(Vector.AsVectorSingle(chosen), (float*)argmax + c, lanes);
        }
    }

    static unsafe void Choosers(float* dy, int* argmax, float* dx, int h, int w, PoolWindows p)
    {
        Vector<int> own = new((h * p.W) + w);
        for (int c = 0; c < p.C; c += Lanes.Width)
        {
            int lanes = p.C - c;
            Vector<float> sum = default;
            for (int i = p.FirstOver(h); i < p.EndOver(h, p.OutH); i++)
            {
                for (int j = p.FirstOver(w); j < p.EndOver(w, p.OutW); j++)
                {
                    long at = ((((long)i * p.OutW) + j) * p.C) + c;
                    Vector<int> chosen = Vector.AsVectorInt32(Lanes.Load((float*)argmax + at, lanes));
                    sum += Vector.ConditionalSelect(Vector.Equals(chosen, own), Lanes.Load(dy + at, lanes), Vector<float>.Zero);
                }
            }

            Lanes.Store(sum, dx + c, lanes);
        }
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("B=1 H=6 W=6 C=8 kernel=3 stride=2 padding=1")]
    internal static void ForwardTrial(Trial t)
    {
        PoolWindows p = PoolWindows.Of(t["H"], t["W"], t["C"], t["kernel"], t["stride"], t["padding"]);
        long count = (long)t["B"] * p.H * p.W * p.C, pooled = (long)t["B"] * p.OutH * p.OutW * p.C;
        Floats x = t.Normal(count), y = t.Result(pooled, Trial.Exact);
        Ints argmax = t.Ints(new int[pooled]);
        t.Run(() => Forward(t.Kernels, x, y, argmax, t["B"], p), () => Reference.Forward(x, y, argmax, t["B"], p));
    }

    [Trial("B=1 H=6 W=6 C=8 kernel=3 stride=2 padding=1")]
    internal static void BackwardTrial(Trial t)
    {
        PoolWindows p = PoolWindows.Of(t["H"], t["W"], t["C"], t["kernel"], t["stride"], t["padding"]);
        long count = (long)t["B"] * p.H * p.W * p.C, pooled = (long)t["B"] * p.OutH * p.OutW * p.C;
        Floats x = t.Normal(count), y = t.Scratch(pooled), dy = t.Normal(pooled), dx = t.Result(count, Trial.SumOf(p.Kernel * p.Kernel));
        Ints argmax = t.Ints(new int[pooled]);
        Reference.Forward(x, y, argmax, t["B"], p);
        Forward(t.Kernels, x, y, argmax, t["B"], p);
        t.Run(() => Backward(t.Kernels, dy, argmax, dx, t["B"], p), () => Reference.Backward(dy, argmax, dx, t["B"], p));
    }
}
