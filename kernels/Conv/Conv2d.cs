using ILGPU;
using ILGPU.Runtime;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Elementwise;
using IlgpuDiffusion.Kernels.MatMul;
using IlgpuDiffusion.Kernels.Trials;
using Product = IlgpuDiffusion.Kernels.MatMul.MatMul;

namespace IlgpuDiffusion.Kernels.Conv;

/// y[b,i,j,o] = bias[o] + Σ_{u,v,c} x[b, s·i + u − top, s·j + v − left, c] · w[o,u,v,c] + residual[b,i,j,o],   x = 0 outside the image.
/// dx[b,h,w,c] = Σ_{u,v,o} dy[b, (h + top − u)/s, (w + left − v)/s, o] · w[o,u,v,c]   over the u, v for which both divisions are exact.
/// dw[o,u,v,c] += Σ_{b,i,j} dy[b,i,j,o] · x[b, s·i + u − top, s·j + v − left, c].
/// With channels last each is a matrix product whose left or right operand is gathered from the image in runs of whole channel vectors.
public static partial class Conv2d
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(ReadOnlySpan<float> x, ReadOnlySpan<float> weight, ReadOnlySpan<float> bias, Span<float> y, Conv2dShape s, ReadOnlySpan<float> residual = default)
        {
            int[] at = new int[3];
            for (int p = 0; p < s.B * s.OutH * s.OutW; p++)
            {
                for (int o = 0; o < s.O; o++)
                {
                    double sum = (bias.IsEmpty ? 0 : bias[o]) + (residual.IsEmpty ? 0 : (double)residual[p * s.O + o]);
                    for (int q = 0; q < s.Kh * s.Kw; q++)
                    {
                        if (!Position(s, p, q, at))
                            continue;
                        for (int c = 0; c < s.C; c++)
                            sum += (double)x[Pixel(s, at) + c] * weight[(o * s.Kh * s.Kw + q) * s.C + c];
                    }

                    y[p * s.O + o] = (float)sum;
                }
            }
        }

        public static void BackwardInput(ReadOnlySpan<float> dy, ReadOnlySpan<float> weight, Span<float> dx, Conv2dShape s)
        {
            int[] at = new int[3];
            double[] sums = new double[s.InputCount];
            for (int p = 0; p < s.B * s.OutH * s.OutW; p++)
            {
                for (int q = 0; q < s.Kh * s.Kw; q++)
                {
                    if (!Position(s, p, q, at))
                        continue;
                    for (int o = 0; o < s.O; o++)
                    {
                        for (int c = 0; c < s.C; c++)
                            sums[Pixel(s, at) + c] += (double)dy[p * s.O + o] * weight[(o * s.Kh * s.Kw + q) * s.C + c];
                    }
                }
            }

            for (int i = 0; i < sums.Length; i++)
                dx[i] = (float)sums[i];
        }

        public static void BackwardWeight(ReadOnlySpan<float> x, ReadOnlySpan<float> dy, Span<float> dWeight, Conv2dShape s)
        {
            int[] at = new int[3];
            double[] sums = new double[s.WeightCount];
            for (int p = 0; p < s.B * s.OutH * s.OutW; p++)
            {
                for (int q = 0; q < s.Kh * s.Kw; q++)
                {
                    if (!Position(s, p, q, at))
                        continue;
                    for (int o = 0; o < s.O; o++)
                    {
                        for (int c = 0; c < s.C; c++)
                            sums[(o * s.Kh * s.Kw + q) * s.C + c] += (double)dy[p * s.O + o] * x[Pixel(s, at) + c];
                    }
                }
            }

            for (int i = 0; i < sums.Length; i++)
                dWeight[i] += (float)sums[i];
        }

        // Input position (b, h, w) that output position p meets at filter position q; false outside the image.
        static bool Position(Conv2dShape s, int p, int q, int[] at)
        {
            at[0] = p / (s.OutH * s.OutW);
            at[1] = p / s.OutW % s.OutH * s.Stride + q / s.Kw - s.PadTop;
            at[2] = p % s.OutW * s.Stride + q % s.Kw - s.PadLeft;
            return at[1] >= 0 && at[1] < s.H && at[2] >= 0 && at[2] < s.W;
        }

        static int Pixel(Conv2dShape s, int[] at) => ((at[0] * s.H + at[1]) * s.W + at[2]) * s.C;
    }

    // ---- kernels -----------------------------------------------------------------------------------

    /// The shape as kernels get it: 32-bit fields only, output sizes computed once.
    internal readonly struct Dims(Conv2dShape s, bool bias)
    {
        public readonly int H = s.H;
        public readonly int W = s.W;
        public readonly int C = s.C;
        public readonly int O = s.O;
        public readonly int Kh = s.Kh;
        public readonly int Kw = s.Kw;
        public readonly int Stride = s.Stride;
        public readonly int PadLeft = s.PadLeft;
        public readonly int PadTop = s.PadTop;
        public readonly int OutH = s.OutH;
        public readonly int OutW = s.OutW;
        public readonly int Positions = s.B * s.OutH * s.OutW;
        public readonly int Bias = bias ? 1 : 0;
        public readonly int Padding;
    }

    // V1: one thread an output.
    internal static void ForwardV1Kernel(
        Index1D i, ArrayView<float> x, ArrayView<float> weight, ArrayView<float> bias, ArrayView<float> y, Dims d)
    {
        int o = i % d.O;
        int p = i / d.O;
        int b = p / (d.OutH * d.OutW);
        int top = p / d.OutW % d.OutH * d.Stride - d.PadTop;
        int left = p % d.OutW * d.Stride - d.PadLeft;
        float sum = 0;
        if (d.Bias != 0)
            sum = bias[o];
        for (int u = 0; u < d.Kh; u++)
        {
            int h = top + u;
            for (int v = 0; v < d.Kw; v++)
            {
                int w = left + v;
                if (h >= 0 && h < d.H && w >= 0 && w < d.W)
                {
                    long xAt = (((long)b * d.H + h) * d.W + w) * d.C;
                    long wAt = (((long)o * d.Kh + u) * d.Kw + v) * d.C;
                    for (int c = 0; c < d.C; c++)
                        sum += x[xAt + c] * weight[wAt + c];
                }
            }
        }

        y[i] = sum;
    }

    // V1: one thread an input element; it gathers from the outputs that read it, so nothing is added atomically.
    internal static void BackwardInputV1Kernel(Index1D i, ArrayView<float> dy, ArrayView<float> weight, ArrayView<float> dx, Dims d)
    {
        int c = i % d.C;
        int p = i / d.C;
        int b = p / (d.H * d.W);
        int h = p / d.W % d.H;
        int w = p % d.W;
        float sum = 0;
        for (int u = 0; u < d.Kh; u++)
        {
            int hs = h + d.PadTop - u;
            for (int v = 0; v < d.Kw; v++)
            {
                int ws = w + d.PadLeft - v;
                if (hs >= 0 && ws >= 0 && hs % d.Stride == 0 && ws % d.Stride == 0 && hs / d.Stride < d.OutH && ws / d.Stride < d.OutW)
                {
                    long yAt = (((long)b * d.OutH + hs / d.Stride) * d.OutW + ws / d.Stride) * d.O;
                    long wAt = ((long)u * d.Kw + v) * d.C + c;
                    for (int o = 0; o < d.O; o++)
                        sum += dy[yAt + o] * weight[wAt + (long)o * d.Kh * d.Kw * d.C];
                }
            }
        }

        dx[i] = sum;
    }

    // V1: one thread a weight; the sum over positions is cut into rows of the output, which keeps its rounding small.
    internal static void BackwardWeightV1Kernel(Index1D i, ArrayView<float> x, ArrayView<float> dy, ArrayView<float> dWeight, Dims d)
    {
        int c = i % d.C;
        int v = i / d.C % d.Kw;
        int u = i / (d.C * d.Kw) % d.Kh;
        int o = i / (d.C * d.Kw * d.Kh);
        float total = 0;
        for (int p = 0; p < d.Positions; p += d.OutW)
        {
            int b = p / (d.OutH * d.OutW);
            int h = p / d.OutW % d.OutH * d.Stride + u - d.PadTop;
            float row = 0;
            if (h >= 0 && h < d.H)
            {
                for (int j = 0; j < d.OutW; j++)
                {
                    int w = j * d.Stride + v - d.PadLeft;
                    if (w >= 0 && w < d.W)
                        row += dy[((long)p + j) * d.O + o] * x[(((long)b * d.H + h) * d.W + w) * d.C + c];
                }
            }

            total += row;
        }

        dWeight[i] += total;
    }

    // ---- work --------------------------------------------------------------------------------------
    /// The same for all three directions; `element`: bytes of a number of the operands.
    static Work WorkOf(Conv2dShape s, int element) =>
        new(2L * s.OutputCount * s.Kh * s.Kw * s.C, element * ((long)s.InputCount + s.WeightCount + s.OutputCount));

    // ---- launchers ---------------------------------------------------------------------------------

    /// x (B,H,W,C), weight (O,Kh,Kw,C), bias (O) or empty, y (B,OutH,OutW,O), residual as y or empty.
    public static void Forward(
        KernelContext k, ArrayView<float> x, ArrayView<float> weight, ArrayView<float> bias, ArrayView<float> y, Conv2dShape s, KeptFilter kept = default,
        ArrayView<float> residual = default)
    {
        using LaunchScope launch = k.Scope("Conv2d.Forward", s, WorkOf(s, sizeof(float)).WithResidual(residual.Length));
        Check(x, weight, y, s);
        Check(k, kept, s);
        if (bias.Length > 0 && bias.Length < s.O)
            throw new ArgumentException($"Conv2d: bias holds {bias.Length} floats, {s} needs {s.O}", nameof(bias));
        if (residual.Length > 0 && residual.Length != s.OutputCount)
            throw new ArgumentException($"Conv2d: a residual of {residual.Length} floats, {s} needs {s.OutputCount}", nameof(residual));
        if (s.IsPointwise)
            Product.Forward(k, x, weight, bias, y, new MatMulShape(1, s.B * s.H * s.W, s.O, s.C, TransposeB: true), residual);
        else if (k.Cpu is { } cpu && Choose(s, k.Conv) is not ConvAlgorithm.Direct and var winograd)
            ForwardWinograd(k, cpu, x, weight, bias, y, s, kept, residual, winograd);
        else if (k.Cpu is { } pool)
            ForwardCpu(pool, x, weight, bias, y, s, residual, MatMul.Cpu.CpuIsas.Best);
        else
            ForwardV1(k, x, weight, bias, y, s, residual);
    }

    // The residual is added afterwards: in the transform of the output it made every convolution slower, with a residual or without.
    static void ForwardWinograd(
        KernelContext k, CpuPool cpu, ArrayView<float> x, ArrayView<float> weight, ArrayView<float> bias, ArrayView<float> y, Conv2dShape s, KeptFilter kept,
        ArrayView<float> residual, ConvAlgorithm winograd)
    {
        ForwardWinograd(cpu, x, weight, bias, y, s, kept, winograd, MatMul.Cpu.CpuIsas.Best);
        if (residual.Length > 0)
            Add.Accumulate(k, residual, y);
    }

    static void ForwardV1(
        KernelContext k, ArrayView<float> x, ArrayView<float> weight, ArrayView<float> bias, ArrayView<float> y, Conv2dShape s, ArrayView<float> residual)
    {
        k.Launch(ForwardV1Kernel, s.OutputCount, x, weight, bias, y, new Dims(s, bias.Length > 0));
        if (residual.Length > 0)
            Add.Accumulate(k, residual, y);
    }

    /// dy (B,OutH,OutW,O), weight (O,Kh,Kw,C); dx (B,H,W,C) is written.
    public static void BackwardInput(
        KernelContext k, ArrayView<float> dy, ArrayView<float> weight, ArrayView<float> dx, Conv2dShape s, KeptFilter kept = default)
    {
        using LaunchScope launch = k.Scope("Conv2d.BackwardInput", s, WorkOf(s, sizeof(float)));
        Check(dx, weight, dy, s);
        Check(k, kept, s.Transposed());
        if (s.IsPointwise)
            Product.Forward(k, dy, weight, ArrayView<float>.Empty, dx, new MatMulShape(1, s.B * s.H * s.W, s.C, s.O));
        else if (k.Cpu is { } cpu && Choose(s.Transposed(), k.Conv) is not ConvAlgorithm.Direct and var winograd)
            BackwardInputWinograd(cpu, dy, weight, dx, s, kept, winograd, MatMul.Cpu.CpuIsas.Best);
        else if (k.Cpu is { } pool)
            BackwardInputCpu(pool, dy, weight, dx, s, MatMul.Cpu.CpuIsas.Best);
        else
            k.Launch(BackwardInputV1Kernel, s.InputCount, dy, weight, dx, new Dims(s, false));
    }

    /// x (B,H,W,C), dy (B,OutH,OutW,O); dWeight (O,Kh,Kw,C) is added to. The bias's gradient is MatMul.ColumnSum of dy.
    public static void BackwardWeight(KernelContext k, ArrayView<float> x, ArrayView<float> dy, ArrayView<float> dWeight, Conv2dShape s)
    {
        using LaunchScope launch = k.Scope("Conv2d.BackwardWeight", s, WorkOf(s, sizeof(float)));
        Check(x, dWeight, dy, s);
        if (s.IsPointwise)
            Product.Forward(k, dy, x, ArrayView<float>.Empty, dWeight, new MatMulShape(1, s.O, s.C, s.B * s.H * s.W, TransposeA: true, Accumulate: true));
        else if (k.Cpu is { } cpu && Choose(s, k.Conv) is not ConvAlgorithm.Direct and var winograd)
            BackwardWeightWinograd(cpu, x, dy, dWeight, s, winograd, MatMul.Cpu.CpuIsas.Best);
        else if (k.Cpu is { } pool)
            BackwardWeightCpu(pool, x, dy, dWeight, s, MatMul.Cpu.CpuIsas.Best);
        else
            k.Launch(BackwardWeightV1Kernel, s.WeightCount, x, dy, dWeight, new Dims(s, false));
    }

    /// Floats of memory that Forward can use to keep the transformed filter of a weight that does not change; 0 where it is not worth keeping.
    public static long KeptLength(KernelContext k, Conv2dShape s) => k.Cpu is null ? 0 : KeptLength(s, k.Conv, MatMul.Cpu.CpuIsas.Best);

    /// The same for BackwardInput.
    public static long KeptInputLength(KernelContext k, Conv2dShape s) => KeptLength(k, s.Transposed());

    static void Check(KernelContext k, KeptFilter kept, Conv2dShape s)
    {
        if (kept.Memory.Length > 0 && kept.Memory.Length != KeptLength(k, s))
            throw new ArgumentException($"Conv2d: {kept.Memory.Length} floats were kept for a transformed filter, {s} needs {KeptLength(k, s)}", nameof(kept));
    }

    static void Check(ArrayView<float> x, ArrayView<float> weight, ArrayView<float> y, Conv2dShape s)
    {
        if (s.Stride < 1 || s.H + s.PadTop + s.PadBottom < s.Kh || s.W + s.PadLeft + s.PadRight < s.Kw)
            throw new ArgumentException($"Conv2d: the filter does not fit into the padded image, or the stride is not positive: {s}");
        if (x.Length < s.InputCount || weight.Length < s.WeightCount || y.Length < s.OutputCount)
            throw new ArgumentException($"Conv2d: input, weight and output hold {x.Length}, {weight.Length} and {y.Length} floats; {s} needs {s.InputCount}, {s.WeightCount} and {s.OutputCount}");
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("B=1 H=8 W=8 C=16 O=16 kernel=3 stride=1 padding=1")]
    internal static void ForwardTrial(Trial t)
    {
        Conv2dShape s = TrialShape(t);
        Floats x = t.Normal(s.InputCount), weight = t.Normal(s.WeightCount), bias = t.Normal(s.O), y = t.Result(s.OutputCount, TrialBound(t, s.Kh * s.Kw * s.C));
        t.Run(() => Forward(t.Kernels, x, weight, bias, y, s), () => Reference.Forward(x, weight, bias, y, s));
    }

    [Trial("B=1 H=8 W=8 C=16 O=16 kernel=3 stride=1 padding=1")]
    internal static void BackwardInputTrial(Trial t)
    {
        Conv2dShape s = TrialShape(t);
        Floats dy = t.Normal(s.OutputCount), weight = t.Normal(s.WeightCount), dx = t.Result(s.InputCount, TrialBound(t, s.Kh * s.Kw * s.O));
        t.Run(() => BackwardInput(t.Kernels, dy, weight, dx, s), () => Reference.BackwardInput(dy, weight, dx, s));
    }

    [Trial("B=1 H=8 W=8 C=16 O=16 kernel=3 stride=1 padding=1")]
    internal static void BackwardWeightTrial(Trial t)
    {
        Conv2dShape s = TrialShape(t);
        Floats x = t.Normal(s.InputCount), dy = t.Normal(s.OutputCount), dWeight = t.Changed(s.WeightCount, TrialBound(t, s.B * s.OutH * s.OutW));
        t.Run(() => BackwardWeight(t.Kernels, x, dy, dWeight, s), () => Reference.BackwardWeight(x, dy, dWeight, s));
    }

    static Conv2dShape TrialShape(Trial t)
    {
        int pad = t["padding"];
        return new Conv2dShape(t["B"], t["H"], t["W"], t["C"], t["O"], t["kernel"], t["kernel"], t["stride"], pad, pad, pad, pad);
    }

    // Winograd's transforms round at sizes that cancel: Winograd.md has the worst errors measured, two and a half times the direct sum's for F(4×4).
    static double TrialBound(Trial t, long terms) => Trial.SumOf(terms) * (t.Kernels.Conv == ConvAlgorithm.Direct ? 1 : 4);
}
