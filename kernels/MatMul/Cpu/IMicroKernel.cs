namespace IlgpuDiffusion.Kernels.MatMul.Cpu;

/// The innermost product: one register tile of C over one packed block.
unsafe interface IMicroKernel
{
    /// Rows of a full tile (MR).
    static abstract int Rows { get; }

    /// Columns of a full tile (NR).
    static abstract int Columns { get; }

    /// A tile's rows are computed and stored in whole steps of this many.
    static abstract int RowStep { get; }

    /// A tile's columns are computed and stored in whole steps of this many.
    static abstract int ColumnStep { get; }

    /// c[r·cRow + n] = (start ? start[r·cRow + n] : 0) + (bias ? bias[n] : 0) + Σ_{k &lt; depth} a[r·aRow + k·aK] · b[k·Columns + n]
    /// for r &lt; rows and n &lt; columns, both rounded up to their steps. `start` may be c.
    static abstract void Tile(
        int rows, int columns, int depth, float* a, int aRow, int aK, float* b, float* c, long cRow, float* bias, float* start);
}
