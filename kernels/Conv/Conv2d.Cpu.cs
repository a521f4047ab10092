using System.Runtime.CompilerServices;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.MatMul.Cpu;

namespace IlgpuDiffusion.Kernels.Conv;

/// The `cpu` device's convolutions: implicit products, the driver of MatMul with an operand that gathers its runs from the image.
public static unsafe partial class Conv2d
{
    internal static void ForwardCpu(
        CpuPool pool, ArrayView<float> x, ArrayView<float> weight, ArrayView<float> bias, ArrayView<float> y, Conv2dShape s, ArrayView<float> residual,
        CpuIsa isa)
    {
        float* biasData = bias.Length > 0 ? bias.Pointer() : null, start = residual.Length > 0 ? residual.Pointer() : null;
        if (TakesTapProducts(s))
        {
            ForwardTapProducts(pool, x.Pointer(), weight.Pointer(), biasData, y.Pointer(), s, start, isa);
            return;
        }

        int depth = s.Kh * s.Kw * s.C;
        Patches patches = new(x.Pointer(), s.H, s.W, s.C, s.OutH, s.OutW, s.Kw, s.Stride, s.PadTop, s.PadLeft);
        Gemm.Run(
            pool,
            new GemmShape(1, s.B * s.OutH * s.OutW, s.O, depth),
            new PatchRows(patches),
            new RowsAlongK(weight.Pointer(), depth, 0),
            new MatrixRows(y.Pointer(), s.O, 0),
            biasData,
            start is null ? null : new MatrixRows(start, s.O, 0),
            isa);
    }

    internal static void BackwardWeightCpu(CpuPool pool, ArrayView<float> x, ArrayView<float> dy, ArrayView<float> dWeight, Conv2dShape s, CpuIsa isa)
    {
        int columns = s.Kh * s.Kw * s.C;
        MatrixRows sums = new(dWeight.Pointer(), columns, 0);
        Patches patches = new(x.Pointer(), s.H, s.W, s.C, s.OutH, s.OutW, s.Kw, s.Stride, s.PadTop, s.PadLeft);
        Gemm.Run(
            pool,
            new GemmShape(1, s.O, columns, s.B * s.OutH * s.OutW),
            new RowsAcrossK(dy.Pointer(), s.O, 0),
            new PatchColumns(patches),
            sums,
            null,
            sums,
            isa);
    }

    /// The input positions whose h and w leave the remainders (rh, rw) by the stride meet the same filter taps: u = u₀ + s·u', v = v₀ + s·v'.
    /// For them dx is a plain stride-1 convolution of dy with those taps, flipped; s² products, no multiplication by a zero between.
    internal static void BackwardInputCpu(CpuPool pool, ArrayView<float> dy, ArrayView<float> weight, ArrayView<float> dx, Conv2dShape s, CpuIsa isa)
    {
        if (TakesTapProducts(s.Transposed()))
        {
            BackwardInputTapProducts(pool, dy.Pointer(), weight.Pointer(), dx.Pointer(), s.Transposed(), isa);
            return;
        }

        for (int rh = 0; rh < Math.Min(s.Stride, s.H); rh++)
        {
            for (int rw = 0; rw < Math.Min(s.Stride, s.W); rw++)
            {
                Taps u = Taps.Of(rh, s.PadTop, s.Kh, s.Stride);
                Taps v = Taps.Of(rw, s.PadLeft, s.Kw, s.Stride);
                int rows = (s.H - rh + s.Stride - 1) / s.Stride;
                int columns = (s.W - rw + s.Stride - 1) / s.Stride;
                GemmShape shape = new(1, s.B * rows * columns, s.C, u.Count * v.Count * s.O);
                PatchRows patches = new(new Patches(dy.Pointer(), s.OutH, s.OutW, s.O, rows, columns, v.Count, 1, u.Pad, v.Pad));
                FlippedWeight flipped = new(weight.Pointer(), s, u, v);
                if (s.Stride == 1)
                    Gemm.Run(pool, shape, patches, flipped, new MatrixRows(dx.Pointer(), s.C, 0), null, null, isa);
                else
                    Gemm.Run(pool, shape, patches, flipped, new EveryNth(dx.Pointer(), s, rh, rw, rows, columns), null, null, isa);
            }
        }
    }

    /// The filter taps first, first + s, … (Count of them) that one remainder class meets, and the padding of the class's own convolution.
    internal readonly record struct Taps(int First, int Count, int Pad)
    {
        public static Taps Of(int remainder, int pad, int taps, int stride)
        {
            int first = (remainder + pad) % stride;
            int count = Math.Max(0, (taps - first + stride - 1) / stride);
            return new Taps(first, count, count - 1 - (remainder + pad - first) / stride);
        }
    }

    /// Row p of the matrix of patches, (positions, kh·kw·C), read in pieces and never written out. Within one filter row the kw·C numbers of a
    /// patch lie contiguously in the image, so a piece is a few copies, or none at all.
    readonly struct Patches(
        float* image, int h, int w, int c, int outH, int outW, int kw, int stride, int padTop, int padLeft)
    {
        readonly int rowLength = kw * c;

        public float* Run(int position, int start, int count, float* scratch)
        {
            int line = position / outW;
            int j = position - line * outW;
            int b = line / outH;
            int i = line - b * outH;
            int top = i * stride - padTop;
            int left = j * stride - padLeft;

            // The part of a filter row that lies inside the image, in floats.
            int insideBegin = Math.Min(Math.Max(-left, 0), kw) * c;
            int insideEnd = Math.Max(Math.Min(w - left, kw) * c, insideBegin);
            int u = start / Math.Max(1, rowLength);
            int at = start - u * rowLength;
            float* row = image + (((long)b * h + top + u) * w + left) * c;
            if (at + count <= insideEnd && at >= insideBegin && (uint)(top + u) < (uint)h)
                return row + at;

            for (float* to = scratch; count > 0; u++, at = 0, row += (long)w * c)
            {
                int length = Math.Min(rowLength - at, count);
                int begin = at;
                int end = at + length;
                if ((uint)(top + u) < (uint)h)
                {
                    begin = Math.Clamp(insideBegin, at, end);
                    end = Math.Clamp(insideEnd, begin, end);
                    if (begin > at)
                        new Span<float>(to, begin - at).Clear();
                    Panels.Copy(row + begin, to + (begin - at), end - begin);
                    if (end < at + length)
                        new Span<float>(to + (end - at), at + length - end).Clear();
                }
                else
                {
                    new Span<float>(to, length).Clear();
                }

                to += length;
                count -= length;
            }

            return scratch;
        }
    }

    readonly struct PatchRows(Patches patches) : IPanelSource
    {
        public static bool AlongK => true;

        public float* Run(int batch, int line, int start, int count, float* scratch) => patches.Run(line, start, count, scratch);
    }

    readonly struct PatchColumns(Patches patches) : IPanelSource
    {
        public static bool AlongK => false;

        public float* Run(int batch, int line, int start, int count, float* scratch) => patches.Run(line, start, count, scratch);
    }

    /// The weight as dx needs it: line k = (u', v', o), taps in falling order, runs along the input channels.
    readonly struct FlippedWeight(float* weight, Conv2dShape s, Taps u, Taps v) : IPanelSource
    {
        public static bool AlongK => false;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public float* Run(int batch, int line, int start, int count, float* scratch)
        {
            int tap = line / s.O;
            int o = line - tap * s.O;
            int row = u.First + s.Stride * (u.Count - 1 - tap / v.Count);
            int column = v.First + s.Stride * (v.Count - 1 - tap % v.Count);
            return weight + (((long)o * s.Kh + row) * s.Kw + column) * s.C + start;
        }
    }

    /// The rows of dx that belong to one remainder class.
    readonly struct EveryNth(float* dx, Conv2dShape s, int rh, int rw, int rows, int columns) : IRowTarget
    {
        public static bool Strided => false;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public float* Row(int batch, int m)
        {
            int line = m / columns;
            int b = line / rows;
            int h = rh + (line - b * rows) * s.Stride;
            int w = rw + (m - line * columns) * s.Stride;
            return dx + (((long)b * s.H + h) * s.W + w) * s.C;
        }
    }
}
