using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Kernels.Attention;

/// Small pieces of matrices, one thread, for the `cpu` version of attention.
static unsafe class Tile
{
    /// to (columns, ld) = scale · from (rows, columns)ᵀ; rows beyond the last, up to ld, are filled with 0.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Transpose(float* from, long stride, int rows, int columns, float scale, float* to, int ld)
    {
        int j = 0;
        for (; Sse.IsSupported && j + 4 <= rows; j += 4)
        {
            int e = 0;
            for (; e + 4 <= columns; e += 4)
                TransposeFour(from + (j * stride) + e, stride, scale, to + ((long)e * ld) + j, ld);
            for (; e < columns; e++)
            {
                for (int i = j; i < j + 4; i++)
                    to[((long)e * ld) + i] = scale * from[(i * stride) + e];
            }
        }

        for (; j < ld; j++)
        {
            for (int e = 0; e < columns; e++)
                to[((long)e * ld) + j] = j < rows ? scale * from[(j * stride) + e] : 0;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void TransposeFour(float* from, long stride, float scale, float* to, long ld)
    {
        Vector128<float> a = Vector128.Load(from), b = Vector128.Load(from + stride);
        Vector128<float> c = Vector128.Load(from + (2 * stride)), d = Vector128.Load(from + (3 * stride));
        Vector128<float> abLow = Sse.UnpackLow(a, b), abHigh = Sse.UnpackHigh(a, b), cdLow = Sse.UnpackLow(c, d), cdHigh = Sse.UnpackHigh(c, d);
        (Sse.MoveLowToHigh(abLow, cdLow) * scale).Store(to);
        (Sse.MoveHighToLow(cdLow, abLow) * scale).Store(to + ld);
        (Sse.MoveLowToHigh(abHigh, cdHigh) * scale).Store(to + (2 * ld));
        (Sse.MoveHighToLow(cdHigh, abHigh) * scale).Store(to + (3 * ld));
    }

    /// to = factor · x; the two may be the same.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Scale(float* x, int n, float factor, float* to)
    {
        int i = 0;
        for (; i + Wide.Count <= n; i += Wide.Count)
            (Wide.Load(x + i) * Wide.All(factor)).Store(to + i);
        for (; i < n; i++)
            to[i] = factor * x[i];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Dot(float* a, float* b, int n)
    {
        Wide lanes = Wide.All(0);
        int i = 0;
        for (; i + Wide.Count <= n; i += Wide.Count)
            lanes = Wide.MultiplyAdd(Wide.Load(a + i), Wide.Load(b + i), lanes);
        float sum = lanes.Sum();
        for (; i < n; i++)
            sum += a[i] * b[i];
        return sum;
    }
}
