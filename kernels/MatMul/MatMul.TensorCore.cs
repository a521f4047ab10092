using System.Runtime.CompilerServices;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.TensorCore;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.MatMul;

/// The product on tensor cores: bf16 operands (as ushort), F32 sums, results in F32. Needs PTX, so `cuda` or `ptx-sim`. Its text is checked by `ptx-sim`; never run on a GPU.
public static partial class MatMul
{
    /// Splits of the inner extent are worth it below this many groups: about one for each multiprocessor of a large chip.
    const int WantedGroups = 132;

    // A split shorter than this many tiles is mostly filling and draining its pipeline.
    const int LeastTiles = 8;

    internal readonly struct TensorCoreDims(MatMulShape s, bool bias, int splits)
    {
        public readonly int M = s.M;
        public readonly int N = s.N;
        public readonly int K = s.K;
        public readonly int TilesM = Tiles(s.M, TileShape.M);
        public readonly int TilesN = Tiles(s.N, TileShape.N);
        public readonly int Batch = s.Batch;
        public readonly int Splits = splits;
        public readonly int SplitTiles = Tiles(Tiles(s.K, TileShape.K), splits);
        public readonly int Accumulate = s.Accumulate ? 1 : 0;
        public readonly int Bias = bias ? 1 : 0;
        public readonly float Scale = s.Scale;
    }

    static int Tiles(int extent, int tile) => (extent + tile - 1) / tile;

    // ---- kernels -----------------------------------------------------------------------------------
    // One group a tile of C and a split of K. While the tensor cores work on one stage, cp.async brings the next two. Split results lie one behind the other in c.
    internal static void ForwardTensorCoreKernel<TA, TB>(
        ArrayView<ushort> a, TA aOperand, ArrayView<ushort> b, TB bOperand, ArrayView<float> bias, ArrayView<float> c, TensorCoreDims d)
        where TA : struct, IOperand
        where TB : struct, IOperand
    {
        ArrayView<Fragment> shared = SharedMemory.Allocate<Fragment>(TileShape.SharedPieces);
        uint stages = SharedAddress.Of(ref shared[0]);
        int thread = Group.IdxX, lane = thread & 31, warp = thread >> 5;
        int warpM = warp / TileShape.WarpsN * TileShape.WarpM, warpN = warp % TileShape.WarpsN * TileShape.WarpN;

        // Groups that follow each other share their columns of B, and go down the rows of A.
        int tile = Grid.IdxX;
        int m0 = tile % d.TilesM * TileShape.M;
        tile /= d.TilesM;
        int n0 = tile % d.TilesN * TileShape.N;
        tile /= d.TilesN;
        int split = tile % d.Splits;
        int batch = tile / d.Splits;
        int kTile = split * d.SplitTiles;
        int count = IntrinsicMath.Min(d.SplitTiles, Tiles(d.K, TileShape.K) - kTile);

        WarpTile sum = default;
        for (int stage = 0; stage < TileShape.Stages - 1; stage++)
        {
            if (stage < count)
                Copy(stages + (uint)(stage * TileShape.StageBytes), thread, a, aOperand, b, bOperand, batch, m0, n0, (kTile + stage) * TileShape.K);
            AsyncCopy.Commit();
        }

        for (int k = 0; k < count; k++)
        {
            AsyncCopy.WaitAllButOne();
            Group.Barrier();
            int next = k + TileShape.Stages - 1;
            if (next < count)
                Copy(stages + (uint)(next % TileShape.Stages * TileShape.StageBytes), thread, a, aOperand, b, bOperand, batch, m0, n0, (kTile + next) * TileShape.K);
            AsyncCopy.Commit();
            uint at = stages + (uint)(k % TileShape.Stages * TileShape.StageBytes);
            sum.Add<TA, TB>(at, at + TileShape.OperandBytes, warpM, warpN, lane);
        }

        long plane = ((long)batch * d.Splits) + split;
        int row = m0 + warpM + (lane >> 2), column = n0 + warpN + ((lane & 3) * 2);
        Store(sum.M0, c, bias, plane, row, column, d);
        Store(sum.M1, c, bias, plane, row + 16, column, d);
        Store(sum.M2, c, bias, plane, row + 32, column, d);
        Store(sum.M3, c, bias, plane, row + 48, column, d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Copy<TA, TB>(
        uint stage, int thread, ArrayView<ushort> a, TA aOperand, ArrayView<ushort> b, TB bOperand, int batch, int m0, int n0, int k0)
        where TA : struct, IOperand
        where TB : struct, IOperand
    {
        for (int piece = thread; piece < TileShape.Pieces; piece += TileShape.Threads)
        {
            aOperand.Copy(stage, piece, a, batch, m0, k0);
            bOperand.Copy(stage + TileShape.OperandBytes, piece, b, batch, n0, k0);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Store(WarpRow r, ArrayView<float> c, ArrayView<float> bias, long plane, int row, int column, TensorCoreDims d)
    {
        Store(r.N0, c, bias, plane, row, column, d);
        Store(r.N1, c, bias, plane, row, column + 8, d);
        Store(r.N2, c, bias, plane, row, column + 16, d);
        Store(r.N3, c, bias, plane, row, column + 24, d);
    }

    // A thread holds neighbours in pairs: stored together where rows begin at even places.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Store(Accumulator r, ArrayView<float> c, ArrayView<float> bias, long plane, int row, int column, TensorCoreDims d)
    {
        if (column >= d.N)
            return;
        if (row < d.M)
            Store(r.X, r.Y, c, bias, (((plane * d.M) + row) * d.N) + column, column, d);
        if (row + 8 < d.M)
            Store(r.Z, r.W, c, bias, (((plane * d.M) + row + 8) * d.N) + column, column, d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Store(float left, float right, ArrayView<float> c, ArrayView<float> bias, long at, int column, TensorCoreDims d)
    {
        bool two = column + 1 < d.N;
        if (d.Splits == 1)
        {
            left = Finish(left, bias, column, d);
            right = Finish(right, bias, two ? column + 1 : column, d);
            if (d.Accumulate != 0)
            {
                left += c[at];
                right += c[two ? at + 1 : at];
            }
        }

        if ((d.N & 1) == 0)
        {
            GlobalPair.Store(ref c[at], left, right);
            return;
        }

        c[at] = left;
        if (two)
            c[at + 1] = right;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static float Finish(float sum, ArrayView<float> bias, int column, TensorCoreDims d)
    {
        sum *= d.Scale;
        if (d.Bias != 0)
            sum += bias[column];
        return sum;
    }

    // Adds the splits in their order.
    internal static void GatherSplitsKernel(Index1D i, ArrayView<float> partial, ArrayView<float> bias, ArrayView<float> c, TensorCoreDims d)
    {
        int plane = d.M * d.N, batch = i / plane, at = i - (batch * plane);
        float sum = 0;
        for (int split = 0; split < d.Splits; split++)
            sum += partial[((((long)batch * d.Splits) + split) * plane) + at];
        sum = Finish(sum, bias, at % d.N, d);
        if (d.Accumulate != 0)
            sum += c[i];
        c[i] = sum;
    }

    // ---- launchers ---------------------------------------------------------------------------------
    /// Whether the shape fits cp.async: rows of both operands begin at multiples of 16 bytes, so the contiguous extent of each is a multiple of 8.
    public static bool FitsTensorCore(MatMulShape s) => s.K > 0 && (s.TransposeA ? s.M : s.K) % TileShape.Piece == 0 && (s.TransposeB ? s.K : s.N) % TileShape.Piece == 0;

    /// Into how many parts the inner extent is cut: more than one where the tiles of C are too few to fill a chip. Depends on the shape alone.
    public static int TensorCoreSplits(MatMulShape s)
    {
        long groups = (long)s.Batch * Tiles(s.M, TileShape.M) * Tiles(s.N, TileShape.N);
        int tiles = Tiles(s.K, TileShape.K), most = Math.Max(1, tiles / LeastTiles);
        int splits = (int)Math.Clamp(WantedGroups / Math.Max(1, groups), 1, most);
        // No split may be empty once the tiles are shared out.
        return Tiles(tiles, Tiles(tiles, splits));
    }

    /// a, b: bf16, c: F32, as <see cref="MatMulShape"/> says; both begin at a multiple of 16 bytes. partial: scratch of Batch·splits·M·N floats where
    /// <see cref="TensorCoreSplits"/> says more than one.
    /// Errors: a shape that <see cref="FitsTensorCore"/> refuses, a view that is too short, a device that runs no PTX.
    public static void ForwardTensorCore(
        KernelContext k, ArrayView<ushort> a, ArrayView<ushort> b, ArrayView<float> bias, ArrayView<float> partial, ArrayView<float> c, MatMulShape s)
    {
        using LaunchScope launch = k.Scope("MatMul.Forward", s, WorkOf(s, sizeof(ushort)));
        int splits = TensorCoreSplits(s);
        if (!FitsTensorCore(s))
            throw new ArgumentException($"MatMul: {s} does not fit the tensor cores: the contiguous extent of A and of B must be a multiple of {TileShape.Piece}", nameof(s));
        Require(a.Length, "a", (long)s.Batch * s.M * s.K, s);
        Require(b.Length, "b", (long)s.Batch * s.K * s.N, s);
        Require(c.Length, "c", (long)s.Batch * s.M * s.N, s);
        Require(bias.Length, "bias", bias.Length > 0 ? s.N : 0, s);
        Require(partial.Length, "partial", splits > 1 ? (long)s.Batch * splits * s.M * s.N : 0, s);
        if (s.TransposeA && s.TransposeB)
            TensorCore(k, a, new OuterContiguous(s.M, s.K), b, new InnerContiguous(s.N, s.K), bias, partial, c, s);
        else if (s.TransposeA)
            TensorCore(k, a, new OuterContiguous(s.M, s.K), b, new OuterContiguous(s.N, s.K), bias, partial, c, s);
        else if (s.TransposeB)
            TensorCore(k, a, new InnerContiguous(s.M, s.K), b, new InnerContiguous(s.N, s.K), bias, partial, c, s);
        else
            TensorCore(k, a, new InnerContiguous(s.M, s.K), b, new OuterContiguous(s.N, s.K), bias, partial, c, s);
    }

    /// The product of any two operands; of the shape only the extents count.
    internal static void TensorCore<TA, TB>(
        KernelContext k, ArrayView<ushort> a, TA aOperand, ArrayView<ushort> b, TB bOperand, ArrayView<float> bias, ArrayView<float> partial, ArrayView<float> c,
        MatMulShape s)
        where TA : struct, IOperand
        where TB : struct, IOperand
    {
        int splits = TensorCoreSplits(s);
        TensorCoreDims d = new(s, bias.Length > 0, splits);
        long groups = (long)s.Batch * splits * d.TilesM * d.TilesN;
        k.LaunchGroups(ForwardTensorCoreKernel, groups, TileShape.Threads, a, aOperand, b, bOperand, bias, splits > 1 ? partial : c, d);
        if (splits > 1)
            k.Launch(GatherSplitsKernel, (long)s.Batch * s.M * s.N, partial, bias, c, d);
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("batch=1 M=24 N=40 K=32", "MatMul.Forward<InnerContiguous, InnerContiguous>")]
    internal static void ForwardTransposedTensorCoreTrial(Trial t) => TensorCoreTrial(t, new MatMulShape(t["batch"], t["M"], t["N"], t["K"], TransposeB: true));

    [Trial("batch=1 M=24 N=40 K=32", "MatMul.Forward<InnerContiguous, OuterContiguous>")]
    internal static void ForwardPlainTensorCoreTrial(Trial t) => TensorCoreTrial(t, new MatMulShape(t["batch"], t["M"], t["N"], t["K"]));

    [Trial("batch=1 M=24 N=40 K=32", "MatMul.Forward<OuterContiguous, OuterContiguous>")]
    internal static void ForwardGradientTensorCoreTrial(Trial t) => TensorCoreTrial(t, new MatMulShape(t["batch"], t["M"], t["N"], t["K"], TransposeA: true));

    [Trial("batch=1 M=24 N=40 K=32", "MatMul.Forward<OuterContiguous, InnerContiguous>")]
    internal static void ForwardBothTransposedTensorCoreTrial(Trial t) =>
        TensorCoreTrial(t, new MatMulShape(t["batch"], t["M"], t["N"], t["K"], TransposeA: true, TransposeB: true));

    // Few tiles and a long inner extent: cut into splits.
    [Trial("batch=1 M=16 N=16 K=1024", "MatMul.GatherSplits")]
    internal static void ForwardSplitTensorCoreTrial(Trial t) => TensorCoreTrial(t, new MatMulShape(t["batch"], t["M"], t["N"], t["K"]));

    static void TensorCoreTrial(Trial t, MatMulShape s)
    {
        Halves a = t.Halves((long)s.Batch * s.M * s.K), b = t.Halves((long)s.Batch * s.K * s.N);
        Floats bias = t.Normal(s.N), c = t.Result((long)s.Batch * s.M * s.N, Trial.SumOf(s.K));
        Floats partial = t.Scratch(TensorCoreSplits(s) is int n and > 1 ? (long)s.Batch * n * s.M * s.N : 0);
        t.Run(() => ForwardTensorCore(t.Kernels, a, b, bias, partial, c, s), () => Reference.Forward(a, b, bias, c, s));
    }
}
