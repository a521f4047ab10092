using System.Runtime.CompilerServices;
using ILGPU;
using IlgpuDiffusion.Kernels.TensorCore;

namespace IlgpuDiffusion.Kernels.Attention;

/// The widest head that a kernel on tensor cores takes, 32·Blocks numbers. A type and not a number, so that its registers and its shared memory are those of the width.
internal interface IHeadWidth
{
    static abstract int Blocks { get; }
}

internal readonly struct Head64 : IHeadWidth
{
    public static int Blocks => 2;
}

internal readonly struct Head96 : IHeadWidth
{
    public static int Blocks => 3;
}

internal readonly struct Head160 : IHeadWidth
{
    public static int Blocks => 5;
}

/// Rows of a head in shared memory, bf16, zero from D on. A row has an odd number of 16-byte pieces (the last is empty), so that the eight rows of one pass of ldmatrix lie in different banks; of the copies one in
/// two rows meets a bank twice where a row is no multiple of 8 pieces.
internal static class HeadTile
{
    public static int RowBytes<THead>()
        where THead : struct, IHeadWidth => ((4 * THead.Blocks) + 1) * 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint At<THead>(uint tile, int row, int piece)
        where THead : struct, IHeadWidth => tile + (uint)((row * RowBytes<THead>()) + (piece * 16));

    /// Begins to copy rows first … first + rows − 1 of a head; zeros beyond `limit` and beyond D.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Copy<THead>(uint tile, int rows, int thread, int threads, ArrayView<ushort> x, long start, int first, int limit, int stride, int d)
        where THead : struct, IHeadWidth
    {
        int pieces = 4 * THead.Blocks;
        for (int piece = thread; piece < rows * pieces; piece += threads)
        {
            int row = piece / pieces, column = piece % pieces;
            bool inside = first + row < limit && column * TileShape.Piece < d;
            AsyncCopy.Copy16(At<THead>(tile, row, column), ref x[inside ? start + ((long)(first + row) * stride) + (column * TileShape.Piece) : 0], inside ? 16 : 0);
        }
    }

    /// Rows `first` … + 15 of one tile times the 32 rows of another: 16×32 dot products, `steps` of 16 numbers long.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static WarpRow Products<THead>(uint left, int first, uint right, int steps, int lane)
        where THead : struct, IHeadWidth
    {
        WarpRow s = default;
        int row = (lane & 7) + ((lane >> 4) * 8);
        for (int k = 0; k < steps; k++)
        {
            int piece = (k * 2) + ((lane >> 3) & 1);
            s.Add(
                LoadMatrix.X4(At<THead>(left, first + (lane & 15), (k * 2) + (lane >> 4))),
                LoadMatrix.X4(At<THead>(right, row, piece)),
                LoadMatrix.X4(At<THead>(right, row + 16, piece)));
        }

        return s;
    }
}

/// A thread's share of 16 rows of a head. Blocks beyond the width's are never touched and cost no register.
internal struct HeadRow
{
    public WarpRow N0;
    public WarpRow N1;
    public WarpRow N2;
    public WarpRow N3;
    public WarpRow N4;

    /// += p·values for 16 rows of `values`, `row` the lane's.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add<THead>(Fragment p, uint values, int row, int lane)
        where THead : struct, IHeadWidth
    {
        int piece = lane >> 4;
        Add<THead>(ref N0, p, values, row, piece);
        Add<THead>(ref N1, p, values, row, piece + 4);
        if (THead.Blocks > 2)
            Add<THead>(ref N2, p, values, row, piece + 8);
        if (THead.Blocks > 3)
        {
            Add<THead>(ref N3, p, values, row, piece + 12);
            Add<THead>(ref N4, p, values, row, piece + 16);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Add<THead>(ref WarpRow block, Fragment p, uint values, int row, int piece)
        where THead : struct, IHeadWidth =>
        block.Add(p, LoadMatrix.X4Transposed(HeadTile.At<THead>(values, row, piece)), LoadMatrix.X4Transposed(HeadTile.At<THead>(values, row, piece + 2)));

    /// Rows of the upper half times `up`, of the lower times `down`.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Scale<THead>(float up, float down)
        where THead : struct, IHeadWidth
    {
        Scale(ref N0, up, down);
        Scale(ref N1, up, down);
        if (THead.Blocks > 2)
            Scale(ref N2, up, down);
        if (THead.Blocks > 3)
        {
            Scale(ref N3, up, down);
            Scale(ref N4, up, down);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Scale(ref WarpRow block, float up, float down)
    {
        Scale(ref block.N0, up, down);
        Scale(ref block.N1, up, down);
        Scale(ref block.N2, up, down);
        Scale(ref block.N3, up, down);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Scale(ref Accumulator a, float up, float down)
    {
        a.X *= up;
        a.Y *= up;
        a.Z *= down;
        a.W *= down;
    }

    /// Writes row `row` and the one eight below it, columns 2t, 2t + 1 of each eight, as far as there are rows and columns.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Store<THead>(int row, int t, long start, ArrayView<float> o, int rows, int stride, int d)
        where THead : struct, IHeadWidth
    {
        Store(N0, row, t * 2, start, o, rows, stride, d);
        Store(N1, row, (t * 2) + 32, start, o, rows, stride, d);
        if (THead.Blocks > 2)
            Store(N2, row, (t * 2) + 64, start, o, rows, stride, d);
        if (THead.Blocks > 3)
        {
            Store(N3, row, (t * 2) + 96, start, o, rows, stride, d);
            Store(N4, row, (t * 2) + 128, start, o, rows, stride, d);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Store(WarpRow block, int row, int column, long start, ArrayView<float> o, int rows, int stride, int d)
    {
        Store(block.N0, row, column, start, o, rows, stride, d);
        Store(block.N1, row, column + 8, start, o, rows, stride, d);
        Store(block.N2, row, column + 16, start, o, rows, stride, d);
        Store(block.N3, row, column + 24, start, o, rows, stride, d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Store(Accumulator a, int row, int column, long start, ArrayView<float> o, int rows, int stride, int d)
    {
        if (column >= d)
            return;
        long at = start + ((long)row * stride) + column;
        if (row < rows)
            GlobalPair.Store(ref o[at], a.X, a.Y);
        if (row + 8 < rows)
            GlobalPair.Store(ref o[at + (8L * stride)], a.Z, a.W);
    }
}
