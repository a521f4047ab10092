using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.MatMul.Cpu;

namespace IlgpuDiffusion.Kernels.Conv;

/// Convolutions on `cpu` from which few channels come: an image behind the last layer, or the gradient of one before the first. As a product of patches they would fill an eighth of the
/// micro-kernel's columns. So each pixel is multiplied by all taps at once, and an output adds up what its pixels have for it; with R = kh·kw,
///   t[p, (o,u,v)] = Σ_c x[p, c]·w[o, u, v, c],   y[h, w, o] = b[o] + Σ_uv t[(h + u − top, w + v − left), (o,u,v)]:
/// the image is read once and not R times, and R·O columns of the product are of use where it was O.
public static unsafe partial class Conv2d
{
    // From 16 on Winograd takes them.
    const int FewestForPatches = 16;

    // 16 MB of products in between, of which the second pass reads each once; larger images are left to patches.
    const long MostTapProducts = 4 << 20;

    /// Where the taps' products of a pixel lie: `Taps` (u, v) of `Channels` each, tap (u, v) of channel o at First + (u·kw + v)·TapStep + o·ChannelStep.
    readonly record struct TapColumns(int Taps, int Channels, int First, int TapStep, int ChannelStep)
    {
        public int Count => Taps * Channels;
    }

    // With fewer channels going in than out the patches are short.
    static bool TakesTapProducts(Conv2dShape s) =>
        s.Stride == 1 && s.Kh * s.Kw > 1 && s.O < FewestForPatches && s.O < s.C && (long)s.B * s.H * s.W * s.Kh * s.Kw * s.O <= MostTapProducts;

    static void ForwardTapProducts(CpuPool pool, float* x, float* weight, float* bias, float* y, Conv2dShape s, float* residual, CpuIsa isa)
    {
        int taps = s.Kh * s.Kw;
        TapProducts(pool, x, new RowsAlongK(weight, s.C, 0), bias, y, s, new TapColumns(taps, s.O, 0, 1, taps), residual, isa);
    }

    /// dy → dx is the convolution `t` with the taps turned round: <see cref="Conv2dShape.Transposed"/>.
    static void BackwardInputTapProducts(CpuPool pool, float* dy, float* weight, float* dx, Conv2dShape t, CpuIsa isa)
    {
        int taps = t.Kh * t.Kw;
        TapProducts(pool, dy, new RowsAcrossK(weight, taps * t.O, 0), null, dx, t, new TapColumns(taps, t.O, (taps - 1) * t.O, -t.O, 1), null, isa);
    }

    static void TapProducts<TWeight>(CpuPool pool, float* x, TWeight weight, float* bias, float* y, Conv2dShape s, TapColumns columns, float* residual, CpuIsa isa)
        where TWeight : struct, IPanelSource
    {
        int pixels = s.B * s.H * s.W;
        float* products = Scratch.OfThread.Get(Scratch.Slot.C, (long)pixels * columns.Count);
        Gemm.Run(
            pool, new GemmShape(1, pixels, columns.Count, s.C), new RowsAlongK(x, s.C, 0), weight, new MatrixRows(products, columns.Count, 0), null, null, isa);
        pool.For(s.B * s.OutH, line => AddTaps(products, bias, residual, y, s, columns, line));
    }

    static void AddTaps(float* products, float* bias, float* residual, float* y, Conv2dShape s, TapColumns columns, int line)
    {
        int b = line / s.OutH, top = (line % s.OutH) - s.PadTop;
        for (int j = 0; j < s.OutW; j++)
        {
            int left = j - s.PadLeft;
            long at = (((long)line * s.OutW) + j) * s.O;
            float* to = y + at;
            for (int o = 0; o < s.O; o++)
                to[o] = (bias is null ? 0 : bias[o]) + (residual is null ? 0 : residual[at + o]);
            for (int u = Math.Max(0, -top); u < Math.Min(s.Kh, s.H - top); u++)
            {
                for (int v = Math.Max(0, -left); v < Math.Min(s.Kw, s.W - left); v++)
                {
                    float* of = products + (((((long)b * s.H) + top + u) * s.W + left + v) * columns.Count) + columns.First + (((u * s.Kw) + v) * columns.TapStep);
                    for (int o = 0; o < s.O; o++)
                        to[o] += of[o * columns.ChannelStep];
                }
            }
        }
    }
}
