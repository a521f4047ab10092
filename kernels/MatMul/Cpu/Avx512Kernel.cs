using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace IlgpuDiffusion.Kernels.MatMul.Cpu;

/// 12×32 tile in Vector512: 24 sums, two vectors of B and one broadcast element of A fill the 32 registers.
/// Written out, because C# has no arrays of registers; smaller tiles are the same text with the unused rows and the second vector compiled away.
readonly unsafe struct Avx512Kernel : IMicroKernel
{
    interface ITile
    {
        static abstract int Rows { get; }

        static abstract bool Wide { get; }
    }

    readonly struct T12x32 : ITile
    {
        public static int Rows => 12;

        public static bool Wide => true;
    }

    readonly struct T8x32 : ITile
    {
        public static int Rows => 8;

        public static bool Wide => true;
    }

    readonly struct T4x32 : ITile
    {
        public static int Rows => 4;

        public static bool Wide => true;
    }

    readonly struct T12x16 : ITile
    {
        public static int Rows => 12;

        public static bool Wide => false;
    }

    readonly struct T8x16 : ITile
    {
        public static int Rows => 8;

        public static bool Wide => false;
    }

    readonly struct T4x16 : ITile
    {
        public static int Rows => 4;

        public static bool Wide => false;
    }

    public static int Rows => 12;

    public static int Columns => 32;

    public static int RowStep => 4;

    public static int ColumnStep => 16;

    public static void Tile(
        int rows, int columns, int depth, float* a, int aRow, int aK, float* b, float* c, long cRow, float* bias, float* start)
    {
        if (columns > 16)
        {
            if (rows > 8)
                Sum<T12x32>(depth, a, aRow, aK, b, c, cRow, bias, start);
            else if (rows > 4)
                Sum<T8x32>(depth, a, aRow, aK, b, c, cRow, bias, start);
            else
                Sum<T4x32>(depth, a, aRow, aK, b, c, cRow, bias, start);
        }
        else if (rows > 8)
        {
            Sum<T12x16>(depth, a, aRow, aK, b, c, cRow, bias, start);
        }
        else if (rows > 4)
        {
            Sum<T8x16>(depth, a, aRow, aK, b, c, cRow, bias, start);
        }
        else
        {
            Sum<T4x16>(depth, a, aRow, aK, b, c, cRow, bias, start);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Sum<TTile>(int depth, float* a, nint aRow, nint aK, float* b, float* c, long cRow, float* bias, float* start)
        where TTile : struct, ITile
    {
        Vector512<float> c0x = default, c0y = default, c1x = default, c1y = default;
        Vector512<float> c2x = default, c2y = default, c3x = default, c3y = default;
        Vector512<float> c4x = default, c4y = default, c5x = default, c5y = default;
        Vector512<float> c6x = default, c6y = default, c7x = default, c7y = default;
        Vector512<float> c8x = default, c8y = default, c9x = default, c9y = default;
        Vector512<float> c10x = default, c10y = default, c11x = default, c11y = default;

        // Four row pointers and one stride reach twelve rows with the processor's base + index addressing.
        float* a0 = a, a3 = a + 3 * aRow, a6 = a + 6 * aRow, a9 = a + 9 * aRow;
        nint aRow2 = 2 * aRow;
        for (int k = 0; k < depth; k++)
        {
            Vector512<float> x = Vector512.Load(b);
            Vector512<float> y = TTile.Wide ? Vector512.Load(b + 16) : default;
            Vector512<float> e0 = Vector512.Create(a0[0]);
            c0x = Vector512.FusedMultiplyAdd(e0, x, c0x);
            if (TTile.Wide)
                c0y = Vector512.FusedMultiplyAdd(e0, y, c0y);
            Vector512<float> e1 = Vector512.Create(a0[aRow]);
            c1x = Vector512.FusedMultiplyAdd(e1, x, c1x);
            if (TTile.Wide)
                c1y = Vector512.FusedMultiplyAdd(e1, y, c1y);
            Vector512<float> e2 = Vector512.Create(a0[aRow2]);
            c2x = Vector512.FusedMultiplyAdd(e2, x, c2x);
            if (TTile.Wide)
                c2y = Vector512.FusedMultiplyAdd(e2, y, c2y);
            Vector512<float> e3 = Vector512.Create(a3[0]);
            c3x = Vector512.FusedMultiplyAdd(e3, x, c3x);
            if (TTile.Wide)
                c3y = Vector512.FusedMultiplyAdd(e3, y, c3y);

            if (TTile.Rows > 4)
            {
                Vector512<float> e4 = Vector512.Create(a3[aRow]);
                c4x = Vector512.FusedMultiplyAdd(e4, x, c4x);
                if (TTile.Wide)
                    c4y = Vector512.FusedMultiplyAdd(e4, y, c4y);
                Vector512<float> e5 = Vector512.Create(a3[aRow2]);
                c5x = Vector512.FusedMultiplyAdd(e5, x, c5x);
                if (TTile.Wide)
                    c5y = Vector512.FusedMultiplyAdd(e5, y, c5y);
                Vector512<float> e6 = Vector512.Create(a6[0]);
                c6x = Vector512.FusedMultiplyAdd(e6, x, c6x);
                if (TTile.Wide)
                    c6y = Vector512.FusedMultiplyAdd(e6, y, c6y);
                Vector512<float> e7 = Vector512.Create(a6[aRow]);
                c7x = Vector512.FusedMultiplyAdd(e7, x, c7x);
                if (TTile.Wide)
                    c7y = Vector512.FusedMultiplyAdd(e7, y, c7y);
            }

            if (TTile.Rows > 8)
            {
                Vector512<float> e8 = Vector512.Create(a6[aRow2]);
                c8x = Vector512.FusedMultiplyAdd(e8, x, c8x);
                if (TTile.Wide)
                    c8y = Vector512.FusedMultiplyAdd(e8, y, c8y);
                Vector512<float> e9 = Vector512.Create(a9[0]);
                c9x = Vector512.FusedMultiplyAdd(e9, x, c9x);
                if (TTile.Wide)
                    c9y = Vector512.FusedMultiplyAdd(e9, y, c9y);
                Vector512<float> e10 = Vector512.Create(a9[aRow]);
                c10x = Vector512.FusedMultiplyAdd(e10, x, c10x);
                if (TTile.Wide)
                    c10y = Vector512.FusedMultiplyAdd(e10, y, c10y);
                Vector512<float> e11 = Vector512.Create(a9[aRow2]);
                c11x = Vector512.FusedMultiplyAdd(e11, x, c11x);
                if (TTile.Wide)
                    c11y = Vector512.FusedMultiplyAdd(e11, y, c11y);
            }

            b += 32;
            a0 += aK;
            a3 += aK;
            a6 += aK;
            a9 += aK;
        }

        Vector512<float> biasX = bias is null ? default : Vector512.Load(bias);
        Vector512<float> biasY = bias is null || !TTile.Wide ? default : Vector512.Load(bias + 16);
        Store<TTile>(c, start, 0, c0x + biasX, c0y + biasY);
        Store<TTile>(c, start, cRow, c1x + biasX, c1y + biasY);
        Store<TTile>(c, start, 2 * cRow, c2x + biasX, c2y + biasY);
        Store<TTile>(c, start, 3 * cRow, c3x + biasX, c3y + biasY);

        if (TTile.Rows > 4)
        {
            Store<TTile>(c, start, 4 * cRow, c4x + biasX, c4y + biasY);
            Store<TTile>(c, start, 5 * cRow, c5x + biasX, c5y + biasY);
            Store<TTile>(c, start, 6 * cRow, c6x + biasX, c6y + biasY);
            Store<TTile>(c, start, 7 * cRow, c7x + biasX, c7y + biasY);
        }

        if (TTile.Rows > 8)
        {
            Store<TTile>(c, start, 8 * cRow, c8x + biasX, c8y + biasY);
            Store<TTile>(c, start, 9 * cRow, c9x + biasX, c9y + biasY);
            Store<TTile>(c, start, 10 * cRow, c10x + biasX, c10y + biasY);
            Store<TTile>(c, start, 11 * cRow, c11x + biasX, c11y + biasY);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Store<TTile>(float* c, float* start, long at, Vector512<float> x, Vector512<float> y)
        where TTile : struct, ITile
    {
        (start is null ? x : x + Vector512.Load(start + at)).Store(c + at);
        if (TTile.Wide)
            (start is null ? y : y + Vector512.Load(start + at + 16)).Store(c + at + 16);
    }
}
