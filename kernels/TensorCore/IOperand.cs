using System.Runtime.CompilerServices;
using ILGPU;

namespace IlgpuDiffusion.Kernels.TensorCore;

/// How an operand of a product lies in memory, and so in its tile of shared memory. "Outer" is its row of the output (M for A, N for B), "inner" the extent that is summed.
/// Pieces of 16 bytes are swizzled: the eight rows that one pass of ldmatrix reads lie in different banks.
public interface IOperand
{
    /// Copies one 16-byte piece of the 128×32 tile that begins at (outer, inner) to its place at `tile`; beyond the limits it is zero. `start` is the operand's first element.
    static abstract void Copy(uint tile, int piece, ArrayView<ushort> x, long start, int stride, int outer, int outers, int inner, int inners);

    /// 16 rows by 16 of the inner extent, from row `outer` and step `k` (of 16) on: A's fragment.
    static abstract Fragment A(uint tile, int outer, int k, int lane);

    /// 16 columns by 16 of the inner extent: B's fragments for two products, (X, Y) and (Z, W).
    static abstract Fragment B(uint tile, int outer, int k, int lane);
}

/// (outer, inner): the inner extent is contiguous. A's rows of a plain product, or a weight (N, K). A row of the tile has 64 bytes: two rows fill the banks.
public readonly struct InnerContiguous : IOperand
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static uint At(uint tile, int row, int piece) => tile + (uint)((row * 64) + ((piece ^ ((row >> 1) & 3)) * 16));

    public static void Copy(uint tile, int piece, ArrayView<ushort> x, long start, int stride, int outer, int outers, int inner, int inners)
    {
        int row = piece >> 2, column = piece & 3;
        int o = outer + row, i = inner + (column * TileShape.Piece);
        bool inside = o < outers && i < inners;
        AsyncCopy.Copy16(At(tile, row, column), ref x[inside ? start + ((long)o * stride) + i : start], inside ? 16 : 0);
    }

    public static Fragment A(uint tile, int outer, int k, int lane) => LoadMatrix.X4(At(tile, outer + (lane & 15), (k * 2) + (lane >> 4)));

    public static Fragment B(uint tile, int outer, int k, int lane) =>
        LoadMatrix.X4(At(tile, outer + (lane & 7) + ((lane >> 4) * 8), (k * 2) + ((lane >> 3) & 1)));
}

/// (inner, outer): the outer extent is contiguous, as in A of a gradient of weights or a weight read along its columns. A row of the tile has 256 bytes; ldmatrix transposes.
public readonly struct OuterContiguous : IOperand
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static uint At(uint tile, int row, int piece) => tile + (uint)((row * 256) + ((piece ^ (row & 7)) * 16));

    public static void Copy(uint tile, int piece, ArrayView<ushort> x, long start, int stride, int outer, int outers, int inner, int inners)
    {
        int row = piece >> 4, column = piece & 15;
        int i = inner + row, o = outer + (column * TileShape.Piece);
        bool inside = o < outers && i < inners;
        AsyncCopy.Copy16(At(tile, row, column), ref x[inside ? start + ((long)i * stride) + o : start], inside ? 16 : 0);
    }

    public static Fragment A(uint tile, int outer, int k, int lane) =>
        LoadMatrix.X4Transposed(At(tile, (k * 16) + (lane & 7) + ((lane >> 4) * 8), (outer >> 3) + ((lane >> 3) & 1)));

    public static Fragment B(uint tile, int outer, int k, int lane) =>
        LoadMatrix.X4Transposed(At(tile, (k * 16) + (lane & 15), (outer >> 3) + (lane >> 4)));
}
