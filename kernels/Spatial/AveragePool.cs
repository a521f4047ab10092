using System.Numerics;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Spatial;

/// Mean over k×k windows, padding counted as zeros (torch's default): y[i, j] = 1/k²·Σ x.
/// Backward, gathered so that nothing is added twice at once: dx[h, w] = 1/k²·Σ dy over the windows that cover (h, w).
public static class AveragePool
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(ReadOnlySpan<float> x, Span<float> y, int b, PoolWindows p)   // (B, H, W, C) -> (B, H', W', C)
        {
            for (int o = 0; o < y.Length; o++)
            {
                (int n, int i, int j, int c) = (o / p.C / p.OutW / p.OutH, o / p.C / p.OutW % p.OutH, o / p.C % p.OutW, o % p.C);
                double sum = 0;
                for (int h = (i * p.Stride) - p.Padding; h < (i * p.Stride) - p.Padding + p.Kernel; h++)
                {
                    for (int w = (j * p.Stride) - p.Padding; w < (j * p.Stride) - p.Padding + p.Kernel; w++)
                        sum += h >= 0 && h < p.H && w >= 0 && w < p.W ? x[(((((n * p.H) + h) * p.W) + w) * p.C) + c] : 0;
                }

                y[o] = (float)(sum / (p.Kernel * p.Kernel));
            }
        }

        public static void Backward(ReadOnlySpan<float> dy, Span<float> dx, int b, PoolWindows p)
        {
            dx.Clear();
            for (int o = 0; o < dy.Length; o++)
            {
                (int n, int i, int j, int c) = (o / p.C / p.OutW / p.OutH, o / p.C / p.OutW % p.OutH, o / p.C % p.OutW, o % p.C);
                for (int h = Math.Max(0, (i * p.Stride) - p.Padding); h < Math.Min(p.H, (i * p.Stride) - p.Padding + p.Kernel); h++)
                {
                    for (int w = Math.Max(0, (j * p.Stride) - p.Padding); w < Math.Min(p.W, (j * p.Stride) - p.Padding + p.Kernel); w++)
                        dx[(((((n * p.H) + h) * p.W) + w) * p.C) + c] += dy[o] / (p.Kernel * p.Kernel);
                }
            }
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    static void ForwardKernel(Index1D o, ArrayView<float> x, ArrayView<float> y, PoolWindows p)
    {
        int pixel = o / p.C, c = o - (pixel * p.C), line = pixel / p.OutW, j = pixel - (line * p.OutW), n = line / p.OutH, i = line - (n * p.OutH);
        int top = (i * p.Stride) - p.Padding, left = (j * p.Stride) - p.Padding;
        float sum = 0;
        for (int h = IntrinsicMath.Max(top, 0); h < IntrinsicMath.Min(top + p.Kernel, p.H); h++)
        {
            for (int w = IntrinsicMath.Max(left, 0); w < IntrinsicMath.Min(left + p.Kernel, p.W); w++)
                sum += x[((((((long)n * p.H) + h) * p.W) + w) * p.C) + c];
        }

        y[o] = sum / (p.Kernel * p.Kernel);
    }

    static void BackwardKernel(Index1D o, ArrayView<float> dy, ArrayView<float> dx, PoolWindows p)
    {
        int pixel = o / p.C, c = o - (pixel * p.C), line = pixel / p.W, w = pixel - (line * p.W), n = line / p.H, h = line - (n * p.H);
        float sum = 0;
        for (int i = p.FirstOver(h); i < p.EndOver(h, p.OutH); i++)
        {
            for (int j = p.FirstOver(w); j < p.EndOver(w, p.OutW); j++)
                sum += dy[((((((long)n * p.OutH) + i) * p.OutW) + j) * p.C) + c];
        }

        dx[o] = sum / (p.Kernel * p.Kernel);
    }

    // ---- launchers ---------------------------------------------------------------------------------
    public static unsafe void Forward(KernelContext k, ArrayView<float> x, ArrayView<float> y, int b, PoolWindows p)
    {
        using LaunchScope launch = k.Scope("AveragePool.Forward", p, Work.Of(y.Length * p.Kernel * p.Kernel, x.Length + y.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(ForwardKernel, y.Length, x, y, p);
            return;
        }

        float* px = x.Pointer(), py = y.Pointer();
        cpu.Range((long)b * p.OutH, Grain.Rows(p.OutW * p.C * p.Kernel * p.Kernel), (begin, end) =>
        {
            for (long line = begin; line < end; line++)
            {
                int n = (int)(line / p.OutH), top = ((int)(line % p.OutH) * p.Stride) - p.Padding;
                for (int j = 0; j < p.OutW; j++)
                {
                    int left = (j * p.Stride) - p.Padding;
                    int bottom = Math.Min(top + p.Kernel, p.H), right = Math.Min(left + p.Kernel, p.W);
                    float* sample = px + ((long)n * p.H * p.W * p.C), to = py + (((line * p.OutW) + j) * p.C);
                    Sum(sample, p.W, p.C, Math.Max(top, 0), bottom, Math.Max(left, 0), right, 1f / (p.Kernel * p.Kernel), to);
                }
            }
        });
    }

    public static unsafe void Backward(KernelContext k, ArrayView<float> dy, ArrayView<float> dx, int b, PoolWindows p)
    {
        using LaunchScope launch = k.Scope("AveragePool.Backward", p, Work.Of(dy.Length * p.Kernel * p.Kernel, dx.Length + dy.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(BackwardKernel, dx.Length, dy, dx, p);
            return;
        }

        float* pdy = dy.Pointer(), pdx = dx.Pointer();
        cpu.Range((long)b * p.H, Grain.Rows(p.W * p.C), (begin, end) =>
        {
            for (long line = begin; line < end; line++)
            {
                int n = (int)(line / p.H), h = (int)(line % p.H);
                for (int w = 0; w < p.W; w++)
                {
                    int bottom = p.EndOver(h, p.OutH), right = p.EndOver(w, p.OutW);
                    float* sample = pdy + ((long)n * p.OutH * p.OutW * p.C), to = pdx + (((line * p.W) + w) * p.C);
                    Sum(sample, p.OutW, p.C, p.FirstOver(h), bottom, p.FirstOver(w), right, 1f / (p.Kernel * p.Kernel), to);
                }
            }
        });
    }

    /// to[c] = scale·Σ over a rectangle of pixels.
    static unsafe void Sum(float* pixels, int width, int channels, int top, int bottom, int left, int right, float scale, float* to)
    {
        for (int c = 0; c < channels; c += Lanes.Width)
        {
            Vector<float> sum = default;
            for (int h = top; h < bottom; h++)
            {
                for (int w = left; w < right; w++)
                    sum += Lanes.Load(pixels + ((((long)h * width) + w) * channels) + c, channels - c);
            }

            Lanes.Store(sum * scale, to + c, channels - c);
        }
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("B=1 H=6 W=6 C=8 kernel=3 stride=2 padding=1")]
    internal static void ForwardTrial(Trial t)
    {
        PoolWindows p = PoolWindows.Of(t["H"], t["W"], t["C"], t["kernel"], t["stride"], t["padding"]);
        long count = (long)t["B"] * p.H * p.W * p.C, pooled = (long)t["B"] * p.OutH * p.OutW * p.C;
        Floats x = t.Normal(count), y = t.Result(pooled, Trial.SumOf(p.Kernel * p.Kernel));
        t.Run(() => Forward(t.Kernels, x, y, t["B"], p), () => Reference.Forward(x, y, t["B"], p));
    }

    [Trial("B=1 H=6 W=6 C=8 kernel=3 stride=2 padding=1")]
    internal static void BackwardTrial(Trial t)
    {
        PoolWindows p = PoolWindows.Of(t["H"], t["W"], t["C"], t["kernel"], t["stride"], t["padding"]);
        long count = (long)t["B"] * p.H * p.W * p.C, pooled = (long)t["B"] * p.OutH * p.OutW * p.C;
        Floats dy = t.Normal(pooled), dx = t.Result(count, Trial.SumOf(p.Kernel * p.Kernel));
        t.Run(() => Backward(t.Kernels, dy, dx, t["B"], p), () => Reference.Backward(dy, dx, t["B"], p));
    }
}
