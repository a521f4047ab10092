using System.Runtime.CompilerServices;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Kernels.MatMul.Cpu;

/// Products of many rows and few columns, such as those with the factors of a low-rank update, as Cᵀ = Bᵀ·Aᵀ: columns fill the micro-kernel's vectors, and C has too few of them,
/// but enough rows. Cᵀ is small beside the operands, so turning it back costs little.
static unsafe class FewColumns
{
    // A vector of the widest micro-kernel, and two of them.
    const int MostColumns = 16;
    const int FewestRows = 32;

    // Rows of C turned back at once: at most 4 KB, which stay in the first-level cache.
    const int BlockRows = 64;

    public static bool Takes(GemmShape s) => s.N <= MostColumns && s.M >= FewestRows;

    /// c (Batch,M,N) = start + a·b + bias; `start` is null, c itself or a residual.
    public static void Run<TA, TB>(CpuPool pool, GemmShape s, TA a, TB b, float* c, float* bias, float* start, CpuIsa isa)
        where TA : struct, IPanelSource
        where TB : struct, IPanelSource
    {
        float* transposed = Scratch.OfThread.Get(Scratch.Slot.C, (long)s.Batch * s.N * s.M);
        Gemm.Run(pool, new GemmShape(s.Batch, s.N, s.M, s.K), b, a, new MatrixRows(transposed, s.M, (long)s.N * s.M), null, null, isa);
        int blocks = GemmPlan.CeilDiv(s.M, BlockRows);
        pool.Range((long)s.Batch * blocks, Math.Max(1, Grain.Rows(s.N) / BlockRows), (begin, end) =>
        {
            for (long i = begin; i < end; i++)
                TurnBack(s, (int)(i / blocks), (int)(i % blocks) * BlockRows, transposed, c, bias, start);
        });
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void TurnBack(GemmShape s, int batch, int m0, float* transposed, float* c, float* bias, float* start)
    {
        int rows = Math.Min(BlockRows, s.M - m0);
        float** lines = stackalloc float*[MostColumns];
        float* block = stackalloc float[BlockRows * MostColumns];
        for (int n = 0; n < s.N; n++)
            lines[n] = transposed + (((long)batch * s.N) + n) * s.M + m0;
        Panels.Transpose(lines, s.N, 0, rows, block, s.N);
        long at = (((long)batch * s.M) + m0) * s.N;
        float* to = c + at, from = start is null ? null : start + at;
        if (bias is null)
        {
            Gemm.AddRow(to, block, rows * s.N, null, from);
            return;
        }

        for (int m = 0; m < rows; m++)
            Gemm.AddRow(to + (m * s.N), block + (m * s.N), s.N, bias, from is null ? null : from + (m * s.N));
    }
}
