using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace IlgpuDiffusion.Kernels.MatMul.Cpu;

/// Packing: copies a block of an operand into the order in which the micro-kernel reads it.
static unsafe class Panels
{
    // Lines that are transposed together: a cache line of every row is read at once, and 16 × NR floats are written.
    const int TransposeDepth = 16;

    const int Line = 16;

    // Numbers of a line that are asked for ahead of their transposing.
    const int PrefetchDepth = 32;

    /// Distances between the rows, the k and the row panels of a packed block of A, and its length, in floats.
    public readonly record struct Layout(int Row, int K, int Panel, int Length);

    /// A block of A stays as its lines run, row by row along k or k by k across it: the micro-kernel only broadcasts its elements, so nothing need
    /// be transposed. Lines lie an odd number of cache lines apart, which spreads them over the cache's sets.
    public static Layout LayoutA<TKernel, TSource>(int rows, int depth)
        where TKernel : IMicroKernel
        where TSource : IPanelSource
    {
        int padded = GemmPlan.RoundUp(rows, TKernel.Rows);
        int line = (GemmPlan.CeilDiv(TSource.AlongK ? depth : padded, Line) | 1) * Line;
        return TSource.AlongK ? new Layout(line, 1, line * TKernel.Rows, line * padded) : new Layout(1, line, TKernel.Rows, line * depth);
    }

    /// Floats from one packed panel of B to the next: a cache line more than the panel holds, for the same reason.
    public static int PanelB<TKernel>(int depth)
        where TKernel : IMicroKernel => depth * TKernel.Columns + Line;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PackA<TKernel, TSource>(TSource source, int batch, int m0, int rows, int k0, int depth, float* to)
        where TKernel : IMicroKernel
        where TSource : struct, IPanelSource
    {
        Layout layout = LayoutA<TKernel, TSource>(rows, depth);
        int padded = GemmPlan.RoundUp(rows, TKernel.Rows);
        int lines = TSource.AlongK ? rows : depth;
        int length = TSource.AlongK ? depth : rows;
        int stride = TSource.AlongK ? layout.Row : layout.K;
        for (int i = 0; i < lines; i++)
        {
            float* at = to + (long)i * stride;
            float* from = TSource.AlongK ? source.Run(batch, m0 + i, k0, length, at) : source.Run(batch, k0 + i, m0, length, at);
            if (from != at)
                Copy(from, at, length);
            if (!TSource.AlongK && padded > rows)
                NativeMemory.Clear(at + rows, (nuint)(padded - rows) * sizeof(float));
        }

        if (TSource.AlongK)
        {
            for (int m = rows; m < padded; m++)
                NativeMemory.Clear(to + (long)m * stride, (nuint)depth * sizeof(float));
        }
    }

    /// Panels of NR columns, k by k: to[panel][k][column], zero beyond the last column.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PackB<TKernel, TSource>(TSource source, int batch, int n0, int columns, int k0, int depth, float* to, float* line)
        where TKernel : IMicroKernel
        where TSource : struct, IPanelSource
    {
        int panelLength = PanelB<TKernel>(depth);
        if (!TSource.AlongK)
        {
            int whole = columns / TKernel.Columns * TKernel.Columns;
            for (int k = 0; k < depth; k++)
            {
                float* from = source.Run(batch, k0 + k, n0, columns, line);
                float* panel = to + (long)k * TKernel.Columns;
                for (int i = 0; i < whole; i += TKernel.Columns, panel += panelLength)
                    Unsafe.CopyBlockUnaligned(panel, from + i, (uint)(TKernel.Columns * sizeof(float)));
                if (whole == columns)
                    continue;
                for (int i = whole; i < columns; i++)
                    panel[i - whole] = from[i];
                for (int i = columns - whole; i < TKernel.Columns; i++)
                    panel[i] = 0;
            }

            return;
        }

        float** lines = stackalloc float*[TKernel.Columns];
        for (int n = 0; n < columns; n += TKernel.Columns)
        {
            int width = Math.Min(TKernel.Columns, columns - n);
            for (int i = 0; i < width; i++)
                lines[i] = source.Run(batch, n0 + n + i, k0, depth, line + (long)i * depth);
            float* panel = to + (long)(n / TKernel.Columns) * panelLength;
            if (width < TKernel.Columns)
                NativeMemory.Clear(panel, (nuint)(depth * TKernel.Columns) * sizeof(float));
            for (int k = 0; k < depth; k += TransposeDepth)
                Transpose(lines, width, k, Math.Min(k + TransposeDepth, depth), panel, TKernel.Columns);
        }
    }

    /// panel[k·stride + i] = lines[i][k] for i &lt; width and begin ≤ k &lt; end.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Transpose(float** lines, int width, int begin, int end, float* panel, int stride)
    {
        int i = 0;
        if (Avx512F.IsSupported)
        {
            for (; i + 16 <= width; i += 16)
                Transpose16(lines + i, begin, end, panel + i, stride);
        }

        if (Sse.IsSupported)
        {
            for (; i + 4 <= width; i += 4)
            {
                float* r0 = lines[i], r1 = lines[i + 1], r2 = lines[i + 2], r3 = lines[i + 3];
                int k = begin;
                for (; k + 4 <= end; k += 4)
                {
                    Vector128<float> v0 = Vector128.Load(r0 + k), v1 = Vector128.Load(r1 + k);
                    Vector128<float> v2 = Vector128.Load(r2 + k), v3 = Vector128.Load(r3 + k);
                    Vector128<float> low01 = Sse.UnpackLow(v0, v1), high01 = Sse.UnpackHigh(v0, v1);
                    Vector128<float> low23 = Sse.UnpackLow(v2, v3), high23 = Sse.UnpackHigh(v2, v3);
                    float* to = panel + (long)k * stride + i;
                    Sse.MoveLowToHigh(low01, low23).Store(to);
                    Sse.MoveHighToLow(low23, low01).Store(to + stride);
                    Sse.MoveLowToHigh(high01, high23).Store(to + 2 * stride);
                    Sse.MoveHighToLow(high23, high01).Store(to + 3 * stride);
                }

                for (; k < end; k++)
                {
                    float* to = panel + (long)k * stride + i;
                    to[0] = r0[k];
                    to[1] = r1[k];
                    to[2] = r2[k];
                    to[3] = r3[k];
                }
            }
        }

        for (; i < width; i++)
        {
            float* row = lines[i];
            for (int k = begin; k < end; k++)
                panel[(long)k * stride + i] = row[k];
        }
    }

    /// Sixteen lines at once: quarter q of register r holds four numbers of line 4q + r, so that transposing within quarters leaves the lines in order.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Transpose16(float** lines, int begin, int end, float* panel, int stride)
    {
        // So many lines at once are more than the processor follows by itself.
        for (int i = 0; i < 16; i++)
            Sse.Prefetch0(lines[i] + begin + PrefetchDepth);

        int k = begin;
        for (; k + 4 <= end; k += 4)
        {
            Vector512<float> v0 = Quarters(lines, k), v1 = Quarters(lines + 1, k), v2 = Quarters(lines + 2, k), v3 = Quarters(lines + 3, k);
            Vector512<double> low01 = Avx512F.UnpackLow(v0, v1).AsDouble(), high01 = Avx512F.UnpackHigh(v0, v1).AsDouble();
            Vector512<double> low23 = Avx512F.UnpackLow(v2, v3).AsDouble(), high23 = Avx512F.UnpackHigh(v2, v3).AsDouble();
            float* to = panel + (long)k * stride;
            Avx512F.UnpackLow(low01, low23).AsSingle().Store(to);
            Avx512F.UnpackHigh(low01, low23).AsSingle().Store(to + stride);
            Avx512F.UnpackLow(high01, high23).AsSingle().Store(to + 2 * stride);
            Avx512F.UnpackHigh(high01, high23).AsSingle().Store(to + 3 * stride);
        }

        for (; k < end; k++)
        {
            for (int i = 0; i < 16; i++)
                panel[(long)k * stride + i] = lines[i][k];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector512<float> Quarters(float** lines, int k) => Vector512.Create(
        Vector256.Create(Vector128.Load(lines[0] + k), Vector128.Load(lines[4] + k)),
        Vector256.Create(Vector128.Load(lines[8] + k), Vector128.Load(lines[12] + k)));

    /// Runs are short, some hundred floats at most, so the loop is written out where the library's copy would be a call.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Copy(float* from, float* to, int count)
    {
        int i = 0;
        for (; i + Vector512<float>.Count <= count; i += Vector512<float>.Count)
            Vector512.Load(from + i).Store(to + i);
        for (; i + Vector128<float>.Count <= count; i += Vector128<float>.Count)
            Vector128.Load(from + i).Store(to + i);
        for (; i < count; i++)
            to[i] = from[i];
    }
}
