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

    /// Distances between the elements of a packed block of A.
    public readonly record struct Layout(int Row, int K, int Panel);

    /// A block of A whose lines run along k stays row-major (the micro-kernel only broadcasts its elements, so nothing need be transposed);
    /// rows lie an odd number of cache lines apart, which spreads them over the cache's sets. Lines across k become panels of MR.
    public static Layout LayoutA<TKernel, TSource>(int depth)
        where TKernel : IMicroKernel
        where TSource : IPanelSource
    {
        if (!TSource.AlongK)
            return new Layout(1, TKernel.Rows, TKernel.Rows * depth);
        int row = ((GemmPlan.CeilDiv(depth, 16) + 1) | 1) * 16;
        return new Layout(row, 1, row * TKernel.Rows);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PackA<TKernel, TSource>(TSource source, int batch, int m0, int rows, int k0, int depth, float* to, float* line)
        where TKernel : IMicroKernel
        where TSource : struct, IPanelSource
    {
        Layout layout = LayoutA<TKernel, TSource>(depth);
        int padded = GemmPlan.RoundUp(rows, TKernel.Rows);
        if (TSource.AlongK)
        {
            for (int m = 0; m < rows; m++)
            {
                float* row = to + (long)m * layout.Row;
                float* from = source.Run(batch, m0 + m, k0, depth, row);
                if (from != row)
                    Copy(from, row, depth);
            }

            for (int m = rows; m < padded; m++)
                NativeMemory.Clear(to + (long)m * layout.Row, (nuint)depth * sizeof(float));
            return;
        }

        PackAcross(source, batch, m0, rows, k0, depth, TKernel.Rows, to, line);
    }

    /// Panels of NR columns, k by k: to[panel][k][column], zero beyond the last column.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PackB<TKernel, TSource>(TSource source, int batch, int n0, int columns, int k0, int depth, float* to, float* line)
        where TKernel : IMicroKernel
        where TSource : struct, IPanelSource
    {
        if (!TSource.AlongK)
        {
            PackAcross(source, batch, n0, columns, k0, depth, TKernel.Columns, to, line);
            return;
        }

        float** lines = stackalloc float*[TKernel.Columns];
        for (int n = 0; n < columns; n += TKernel.Columns)
        {
            int width = Math.Min(TKernel.Columns, columns - n);
            for (int i = 0; i < width; i++)
                lines[i] = source.Run(batch, n0 + n + i, k0, depth, line + (long)i * depth);
            float* panel = to + (long)n * depth;
            if (width < TKernel.Columns)
                NativeMemory.Clear(panel, (nuint)(depth * TKernel.Columns) * sizeof(float));
            for (int k = 0; k < depth; k += TransposeDepth)
                Transpose(lines, width, k, Math.Min(k + TransposeDepth, depth), panel, TKernel.Columns);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void PackAcross<TSource>(TSource source, int batch, int first, int count, int k0, int depth, int width, float* to, float* line)
        where TSource : struct, IPanelSource
    {
        int whole = count / width * width;
        for (int k = 0; k < depth; k++)
        {
            float* from = source.Run(batch, k0 + k, first, count, line);
            float* panel = to + (long)k * width;
            for (int i = 0; i < whole; i += width, panel += (long)depth * width)
                Unsafe.CopyBlockUnaligned(panel, from + i, (uint)(width * sizeof(float)));
            if (whole == count)
                continue;
            for (int i = whole; i < count; i++)
                panel[i - whole] = from[i];
            for (int i = count - whole; i < width; i++)
                panel[i] = 0;
        }
    }

    static void Transpose(float** lines, int width, int begin, int end, float* panel, int stride)
    {
        int i = 0;
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

    public static void Copy(float* from, float* to, int count) => new ReadOnlySpan<float>(from, count).CopyTo(new Span<float>(to, count));
}
