using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Kernels.Attention;

/// Products of matrices small enough for the cache, one thread, for the `cpu` version of attention.
static unsafe class Tile
{
    /// C (m, n) = A (m, k)·B (k, n), or += where `add`. A is read by any strides, so its transpose costs nothing;
    /// rows of B and C are contiguous, ldb and ldc floats apart.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(int m, int n, int k, float* a, long aRow, long aColumn, float* b, long ldb, float* c, long ldc, bool add)
    {
        int i = 0;
        for (; i + 4 <= m; i += 4, a += 4 * aRow, c += 4 * ldc)
        {
            int j = 0;
            for (; j + (2 * Wide.Count) <= n; j += 2 * Wide.Count)
                FourRowsTwice(k, a, aRow, aColumn, b + j, ldb, c + j, ldc, add);
            for (; j + Wide.Count <= n; j += Wide.Count)
                FourRows<Wide>(k, a, aRow, aColumn, b + j, ldb, c + j, ldc, add);
            for (; j < n; j++)
                FourRows<Narrow>(k, a, aRow, aColumn, b + j, ldb, c + j, ldc, add);
        }

        for (; i < m; i++, a += aRow, c += ldc)
        {
            int j = 0;
            for (; j + Wide.Count <= n; j += Wide.Count)
                OneRow<Wide>(k, a, aColumn, b + j, ldb, c + j, add);
            for (; j < n; j++)
                OneRow<Narrow>(k, a, aColumn, b + j, ldb, c + j, add);
        }
    }

    // Eight sums in registers: enough to hide the latency of a multiply-add, and six loads for eight of them.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void FourRowsTwice(int k, float* a, long aRow, long aColumn, float* b, long ldb, float* c, long ldc, bool add)
    {
        int w = Wide.Count;
        float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow, c1 = c + ldc, c2 = c1 + ldc, c3 = c2 + ldc;
        Wide zero = Wide.All(0);
        Wide s00 = add ? Wide.Load(c) : zero, s01 = add ? Wide.Load(c + w) : zero;
        Wide s10 = add ? Wide.Load(c1) : zero, s11 = add ? Wide.Load(c1 + w) : zero;
        Wide s20 = add ? Wide.Load(c2) : zero, s21 = add ? Wide.Load(c2 + w) : zero;
        Wide s30 = add ? Wide.Load(c3) : zero, s31 = add ? Wide.Load(c3 + w) : zero;
        long at = 0;
        for (int p = 0; p < k; p++, at += aColumn, b += ldb)
        {
            Wide b0 = Wide.Load(b), b1 = Wide.Load(b + w);
            Wide x = Wide.All(a[at]);
            s00 = Wide.MultiplyAdd(x, b0, s00);
            s01 = Wide.MultiplyAdd(x, b1, s01);
            x = Wide.All(a1[at]);
            s10 = Wide.MultiplyAdd(x, b0, s10);
            s11 = Wide.MultiplyAdd(x, b1, s11);
            x = Wide.All(a2[at]);
            s20 = Wide.MultiplyAdd(x, b0, s20);
            s21 = Wide.MultiplyAdd(x, b1, s21);
            x = Wide.All(a3[at]);
            s30 = Wide.MultiplyAdd(x, b0, s30);
            s31 = Wide.MultiplyAdd(x, b1, s31);
        }

        s00.Store(c);
        s01.Store(c + w);
        s10.Store(c1);
        s11.Store(c1 + w);
        s20.Store(c2);
        s21.Store(c2 + w);
        s30.Store(c3);
        s31.Store(c3 + w);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void FourRows<T>(int k, float* a, long aRow, long aColumn, float* b, long ldb, float* c, long ldc, bool add)
        where T : struct, ILanes<T>
    {
        float* c1 = c + ldc, c2 = c1 + ldc, c3 = c2 + ldc;
        T zero = T.All(0);
        T s0 = add ? T.Load(c) : zero, s1 = add ? T.Load(c1) : zero, s2 = add ? T.Load(c2) : zero, s3 = add ? T.Load(c3) : zero;
        for (int p = 0; p < k; p++, a += aColumn, b += ldb)
        {
            T x = T.Load(b);
            s0 = T.MultiplyAdd(T.All(a[0]), x, s0);
            s1 = T.MultiplyAdd(T.All(a[aRow]), x, s1);
            s2 = T.MultiplyAdd(T.All(a[2 * aRow]), x, s2);
            s3 = T.MultiplyAdd(T.All(a[3 * aRow]), x, s3);
        }

        s0.Store(c);
        s1.Store(c1);
        s2.Store(c2);
        s3.Store(c3);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void OneRow<T>(int k, float* a, long aColumn, float* b, long ldb, float* c, bool add)
        where T : struct, ILanes<T>
    {
        T sum = add ? T.Load(c) : T.All(0);
        for (int p = 0; p < k; p++, a += aColumn, b += ldb)
            sum = T.MultiplyAdd(T.All(*a), T.Load(b), sum);
        sum.Store(c);
    }

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

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Scale(float* x, int n, float factor)
    {
        int i = 0;
        for (; i + Wide.Count <= n; i += Wide.Count)
            (Wide.Load(x + i) * Wide.All(factor)).Store(x + i);
        for (; i < n; i++)
            x[i] *= factor;
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
