using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace IlgpuDiffusion.Kernels.MatMul.Cpu;

/// 6×16 tile in Vector256: 12 sums, two vectors of B and one broadcast element of A, in 16 registers.
/// Smaller tiles are the same text with the unused rows and the second vector compiled away.
readonly unsafe struct Avx2Kernel : IMicroKernel
{
    interface ITile
    {
        static abstract int Rows { get; }

        static abstract bool Wide { get; }
    }

    readonly struct T6x16 : ITile
    {
        public static int Rows => 6;

        public static bool Wide => true;
    }

    readonly struct T3x16 : ITile
    {
        public static int Rows => 3;

        public static bool Wide => true;
    }

    readonly struct T6x8 : ITile
    {
        public static int Rows => 6;

        public static bool Wide => false;
    }

    readonly struct T3x8 : ITile
    {
        public static int Rows => 3;

        public static bool Wide => false;
    }

    public static int Rows => 6;

    public static int Columns => 16;

    public static int RowStep => 3;

    public static int ColumnStep => 8;

    public static void Tile(
        int rows, int columns, int depth, float* a, int aRow, int aK, float* b, float* c, long cRow, float* bias, float* start)
    {
        if (columns > 8)
        {
            if (rows > 3)
                Sum<T6x16>(depth, a, aRow, aK, b, c, cRow, bias, start);
            else
                Sum<T3x16>(depth, a, aRow, aK, b, c, cRow, bias, start);
        }
        else if (rows > 3)
        {
            Sum<T6x8>(depth, a, aRow, aK, b, c, cRow, bias, start);
        }
        else
        {
            Sum<T3x8>(depth, a, aRow, aK, b, c, cRow, bias, start);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Sum<TTile>(int depth, float* a, nint aRow, nint aK, float* b, float* c, long cRow, float* bias, float* start)
        where TTile : struct, ITile
    {
        Vector256<float> c0x = default, c0y = default;
        Vector256<float> c1x = default, c1y = default;
        Vector256<float> c2x = default, c2y = default;
        Vector256<float> c3x = default, c3y = default;
        Vector256<float> c4x = default, c4y = default;
        Vector256<float> c5x = default, c5y = default;

        float* a3 = a + 3 * aRow;
        nint aRow2 = 2 * aRow;
        for (int k = 0; k < depth; k++)
        {
            Vector256<float> x = Vector256.Load(b);
            Vector256<float> y = TTile.Wide ? Vector256.Load(b + 8) : default;
            Vector256<float> e0 = Vector256.Create(a[0]);
            c0x = Vector256.FusedMultiplyAdd(e0, x, c0x);
            if (TTile.Wide)
                c0y = Vector256.FusedMultiplyAdd(e0, y, c0y);
            Vector256<float> e1 = Vector256.Create(a[aRow]);
            c1x = Vector256.FusedMultiplyAdd(e1, x, c1x);
            if (TTile.Wide)
                c1y = Vector256.FusedMultiplyAdd(e1, y, c1y);
            Vector256<float> e2 = Vector256.Create(a[aRow2]);
            c2x = Vector256.FusedMultiplyAdd(e2, x, c2x);
            if (TTile.Wide)
                c2y = Vector256.FusedMultiplyAdd(e2, y, c2y);

            if (TTile.Rows > 3)
            {
                Vector256<float> e3 = Vector256.Create(a3[0]);
                c3x = Vector256.FusedMultiplyAdd(e3, x, c3x);
                if (TTile.Wide)
                    c3y = Vector256.FusedMultiplyAdd(e3, y, c3y);
                Vector256<float> e4 = Vector256.Create(a3[aRow]);
                c4x = Vector256.FusedMultiplyAdd(e4, x, c4x);
                if (TTile.Wide)
                    c4y = Vector256.FusedMultiplyAdd(e4, y, c4y);
                Vector256<float> e5 = Vector256.Create(a3[aRow2]);
                c5x = Vector256.FusedMultiplyAdd(e5, x, c5x);
                if (TTile.Wide)
                    c5y = Vector256.FusedMultiplyAdd(e5, y, c5y);
            }

            b += 16;
            a += aK;
            a3 += aK;
        }

        Vector256<float> biasX = bias is null ? default : Vector256.Load(bias);
        Vector256<float> biasY = bias is null || !TTile.Wide ? default : Vector256.Load(bias + 8);
        Store<TTile>(c, start, 0, c0x + biasX, c0y + biasY);
        Store<TTile>(c, start, cRow, c1x + biasX, c1y + biasY);
        Store<TTile>(c, start, 2 * cRow, c2x + biasX, c2y + biasY);

        if (TTile.Rows > 3)
        {
            Store<TTile>(c, start, 3 * cRow, c3x + biasX, c3y + biasY);
            Store<TTile>(c, start, 4 * cRow, c4x + biasX, c4y + biasY);
            Store<TTile>(c, start, 5 * cRow, c5x + biasX, c5y + biasY);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Store<TTile>(float* c, float* start, long at, Vector256<float> x, Vector256<float> y)
        where TTile : struct, ITile
    {
        (start is null ? x : x + Vector256.Load(start + at)).Store(c + at);
        if (TTile.Wide)
            (start is null ? y : y + Vector256.Load(start + at + 8)).Store(c + at + 8);
    }
}
