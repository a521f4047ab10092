using IlgpuDiffusion.Kernels.MatMul.Cpu;

namespace IlgpuDiffusion.Kernels.Attention;

/// Products within a task of attention, on the matrix product's micro-kernels: the left operand is read where it lies, by any strides, the right one
/// from panels of as many columns as the micro-kernel has, packed here.
static unsafe class Panels
{
    /// Floats of a row whose last tile is stored in whole steps.
    public static int RowLength<TKernel>(int n)
        where TKernel : IMicroKernel => GemmPlan.RoundUp(n, TKernel.ColumnStep);

    /// Floats of a packed operand (k, n).
    public static int Length<TKernel>(int k, int n)
        where TKernel : IMicroKernel => k * GemmPlan.RoundUp(n, TKernel.Columns);

    /// Panels of scale · fromᵀ, from (n, k): k runs down a panel, n across.
    public static void PackTransposed<TKernel>(float* from, long stride, int n, int k, float scale, float* to)
        where TKernel : IMicroKernel
    {
        for (int j = 0; j < n; j += TKernel.Columns, to += k * TKernel.Columns)
            Tile.Transpose(from + (j * stride), stride, Math.Min(TKernel.Columns, n - j), k, scale, to, TKernel.Columns);
    }

    /// Panels of from (k, n).
    public static void Pack<TKernel>(float* from, long stride, int k, int n, float* to)
        where TKernel : IMicroKernel
    {
        for (int j = 0; j < n; j += TKernel.Columns)
        {
            int width = Math.Min(TKernel.Columns, n - j);
            for (int p = 0; p < k; p++, to += TKernel.Columns)
            {
                new ReadOnlySpan<float>(from + (p * stride) + j, width).CopyTo(new Span<float>(to, width));
                new Span<float>(to + width, TKernel.Columns - width).Clear();
            }
        }
    }

    /// C (m, n) = A (m, k) · B, or += where `add`. Rows of C are cRow floats apart and hold n in whole steps; A and C have rows in whole steps too,
    /// those beyond m with any content.
    public static void Multiply<TKernel>(int m, int n, int k, float* a, int aRow, int aColumn, float* panels, float* c, int cRow, bool add)
        where TKernel : IMicroKernel
    {
        for (int j = 0; j < n; j += TKernel.Columns)
        {
            for (int i = 0; i < m; i += TKernel.Rows)
            {
                float* to = c + ((long)i * cRow) + j;
                TKernel.Tile(
                    Math.Min(TKernel.Rows, m - i), Math.Min(TKernel.Columns, n - j), k, a + ((long)i * aRow), aRow, aColumn, panels + ((long)j * k),
                    to, cRow, null, add ? to : null);
            }
        }
    }
}
