using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace IlgpuDiffusion.Kernels.MatMul.Cpu;

/// 4×8 tile in Vector128, for processors with nothing wider. The estimate is fused where the processor fuses.
readonly unsafe struct Vector128Kernel : IMicroKernel
{
    public static int Rows => 4;

    public static int Columns => 8;

    public static int RowStep => 4;

    public static int ColumnStep => 8;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Tile(
        int rows, int columns, int depth, float* a, int aRow, int aK, float* b, float* c, long cRow, float* bias, float* start)
    {
        Vector128<float> c0x = default, c0y = default;
        Vector128<float> c1x = default, c1y = default;
        Vector128<float> c2x = default, c2y = default;
        Vector128<float> c3x = default, c3y = default;

        nint row = aRow;
        nint row2 = 2 * row;
        float* a3 = a + 3 * row;
        for (int k = 0; k < depth; k++)
        {
            Vector128<float> x = Vector128.Load(b);
            Vector128<float> y = Vector128.Load(b + 4);
            Vector128<float> e0 = Vector128.Create(a[0]);
            c0x = Vector128.MultiplyAddEstimate(e0, x, c0x);
            c0y = Vector128.MultiplyAddEstimate(e0, y, c0y);
            Vector128<float> e1 = Vector128.Create(a[row]);
            c1x = Vector128.MultiplyAddEstimate(e1, x, c1x);
            c1y = Vector128.MultiplyAddEstimate(e1, y, c1y);
            Vector128<float> e2 = Vector128.Create(a[row2]);
            c2x = Vector128.MultiplyAddEstimate(e2, x, c2x);
            c2y = Vector128.MultiplyAddEstimate(e2, y, c2y);
            Vector128<float> e3 = Vector128.Create(a3[0]);
            c3x = Vector128.MultiplyAddEstimate(e3, x, c3x);
            c3y = Vector128.MultiplyAddEstimate(e3, y, c3y);

            b += 8;
            a += aK;
            a3 += aK;
        }

        Vector128<float> biasX = bias is null ? default : Vector128.Load(bias);
        Vector128<float> biasY = bias is null ? default : Vector128.Load(bias + 4);
        Store(c, start, 0, c0x + biasX, c0y + biasY);
        Store(c, start, cRow, c1x + biasX, c1y + biasY);
        Store(c, start, 2 * cRow, c2x + biasX, c2y + biasY);
        Store(c, start, 3 * cRow, c3x + biasX, c3y + biasY);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Store(float* c, float* start, long at, Vector128<float> x, Vector128<float> y)
    {
        (start is null ? x : x + Vector128.Load(start + at)).Store(c + at);
        (start is null ? y : y + Vector128.Load(start + at + 4)).Store(c + at + 4);
    }
}
