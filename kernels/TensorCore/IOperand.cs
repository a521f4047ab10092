using System.Runtime.CompilerServices;
using ILGPU;

namespace IlgpuDiffusion.Kernels.TensorCore;

/// Where an operand of a product lies in memory, and so how its tile lies in shared memory. "Outer" is its row of the output (M for A, N for B), "inner" the extent that is
/// summed. A kernel argument: a plain matrix has a stride, a convolution's operand the geometry by which it is gathered.
public interface IOperand
{
    /// Begins to copy one 16-byte piece of the 128×32 tile at (outer, inner) to its place at `tile`; what lies outside the matrix is zero.
    void Copy(uint tile, int piece, ArrayView<ushort> x, int batch, int outer, int inner);

    /// Which row of the output the first element of a piece belongs to, within the tile.
    static abstract int OuterOf(int piece);

    /// 16 rows by 16 of the inner extent, from row `outer` and step `k` (of 16) on: A's fragment.
    static abstract Fragment A(uint tile, int outer, int k, int lane);

    /// 16 columns by 16 of the inner extent: B's fragments for two products, (X, Y) and (Z, W).
    static abstract Fragment B(uint tile, int outer, int k, int lane);
}

/// A tile whose rows are the outer extent: 128 rows of 64 bytes, two of which fill the banks. Pieces are swizzled: the eight rows of one pass of ldmatrix lie in different banks.
public static class InnerTile
{
    public static int Row(int piece) => piece >> 2;

    /// The first element of a piece in its row.
    public static int Column(int piece) => (piece & 3) * TileShape.Piece;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static uint At(uint tile, int row, int piece) => tile + (uint)((row * 64) + ((piece ^ ((row >> 1) & 3)) * 16));

    public static void Copy(uint tile, int piece, ArrayView<ushort> x, bool inside, long from) =>
        AsyncCopy.Copy16(At(tile, piece >> 2, piece & 3), ref x[inside ? from : 0], inside ? 16 : 0);

    public static Fragment A(uint tile, int outer, int k, int lane) => LoadMatrix.X4(At(tile, outer + (lane & 15), (k * 2) + (lane >> 4)));

    public static Fragment B(uint tile, int outer, int k, int lane) =>
        LoadMatrix.X4(At(tile, outer + (lane & 7) + ((lane >> 4) * 8), (k * 2) + ((lane >> 3) & 1)));
}

/// A tile whose rows are the inner extent: 32 rows of 256 bytes, swizzled likewise; ldmatrix transposes.
public static class OuterTile
{
    public static int Row(int piece) => piece >> 4;

    public static int Column(int piece) => (piece & 15) * TileShape.Piece;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static uint At(uint tile, int row, int piece) => tile + (uint)((row * 256) + ((piece ^ (row & 7)) * 16));

    public static void Copy(uint tile, int piece, ArrayView<ushort> x, bool inside, long from) =>
        AsyncCopy.Copy16(At(tile, piece >> 4, piece & 15), ref x[inside ? from : 0], inside ? 16 : 0);

    public static Fragment A(uint tile, int outer, int k, int lane) =>
        LoadMatrix.X4Transposed(At(tile, (k * 16) + (lane & 7) + ((lane >> 4) * 8), (outer >> 3) + ((lane >> 3) & 1)));

    public static Fragment B(uint tile, int outer, int k, int lane) =>
        LoadMatrix.X4Transposed(At(tile, (k * 16) + (lane & 15), (outer >> 3) + (lane >> 4)));
}

/// A matrix (outer, inner), the inner extent contiguous: A's rows of a plain product, or a weight (N, K).
public readonly struct InnerContiguous(int outers, int inners) : IOperand
{
    public readonly int Outers = outers;
    public readonly int Inners = inners;

    public void Copy(uint tile, int piece, ArrayView<ushort> x, int batch, int outer, int inner)
    {
        int o = outer + InnerTile.Row(piece), i = inner + InnerTile.Column(piece);
        InnerTile.Copy(tile, piece, x, o < Outers && i < Inners, ((((long)batch * Outers) + o) * Inners) + i);
    }

    public static int OuterOf(int piece) => InnerTile.Row(piece);

    public static Fragment A(uint tile, int outer, int k, int lane) => InnerTile.A(tile, outer, k, lane);

    public static Fragment B(uint tile, int outer, int k, int lane) => InnerTile.B(tile, outer, k, lane);
}

/// A matrix (inner, outer), the outer extent contiguous: a weight read along its columns, both operands of a weight's gradient.
public readonly struct OuterContiguous(int outers, int inners) : IOperand
{
    public readonly int Outers = outers;
    public readonly int Inners = inners;

    public void Copy(uint tile, int piece, ArrayView<ushort> x, int batch, int outer, int inner)
    {
        int i = inner + OuterTile.Row(piece), o = outer + OuterTile.Column(piece);
        OuterTile.Copy(tile, piece, x, o < Outers && i < Inners, ((((long)batch * Inners) + i) * Outers) + o);
    }

    public static int OuterOf(int piece) => OuterTile.Column(piece);

    public static Fragment A(uint tile, int outer, int k, int lane) => OuterTile.A(tile, outer, k, lane);

    public static Fragment B(uint tile, int outer, int k, int lane) => OuterTile.B(tile, outer, k, lane);
}
