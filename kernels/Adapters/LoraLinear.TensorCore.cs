using System.Runtime.CompilerServices;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.TensorCore;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Adapters;

/// The adapted layer on tensor cores in one kernel: x is read once. Of the 128 columns of a group's tile 112 are W's and 16 are A's, which ride along, so that x Aᵀ falls
/// out of the same product; it goes through shared memory to all warps, whose epilogue adds s·(x Aᵀ) Bᵀ with one more mma. The gradient dx = dy W + s (dy B) A is the
/// same with B riding along and A in the epilogue. bf16 operands, factors padded with zeros to rank 16; F32 sums; x Aᵀ is rounded to bf16 for the second product.
/// Shared factors only (LoraShape.Samples = 1). Checked by `ptx-sim`; never run on a GPU.
public static partial class LoraLinear
{
    /// The rank to which the factors are padded: A (16, In), B (Out, 16).
    public const int PaddedRank = 16;

    const int Columns = TileShape.N - PaddedRank;

    // Bytes from one row of x Aᵀ in shared memory to the next: three pieces, so that eight rows lie in different banks.
    const int DownRow = 48;

    internal readonly struct TensorCoreDims(int m, int n, int k, float scale, bool bias, int factorColumn, int factorRank)
    {
        public readonly int M = m;
        public readonly int N = n;
        public readonly int K = k;
        public readonly int TilesM = (m + TileShape.M - 1) / TileShape.M;
        public readonly int TilesN = (n + Columns - 1) / Columns;
        public readonly int Bias = bias ? 1 : 0;
        public readonly float Scale = scale;

        /// Steps in the epilogue's factor from one column of y to the next, and from one rank to the next.
        public readonly int FactorColumn = factorColumn;
        public readonly int FactorRank = factorRank;
        public readonly int Padding;
    }

    // ---- kernels -----------------------------------------------------------------------------------
    internal static void ForwardTensorCoreKernel<T>(
        ArrayView<ushort> x,        // (M, K)
        ArrayView<ushort> weight,   // N × K, as T reads it
        T weightOperand,
        ArrayView<ushort> rider,    // 16 × K, as T reads it
        T riderOperand,
        ArrayView<ushort> factor,   // N × 16 by the steps in d
        ArrayView<float> bias,      // (N) or empty
        ArrayView<float> y,         // (M, N)
        ArrayView<float> down,      // (M, 16): the riders' product
        TensorCoreDims d)
        where T : struct, IOperand
    {
        ArrayView<Fragment> shared = SharedMemory.Allocate<Fragment>(TileShape.SharedPieces);
        uint stages = SharedAddress.Of(ref shared[0]);
        int thread = Group.IdxX, lane = thread & 31, warp = thread >> 5;
        int warpM = warp / TileShape.WarpsN * TileShape.WarpM, warpN = warp % TileShape.WarpsN * TileShape.WarpN;
        int m0 = Grid.IdxX % d.TilesM * TileShape.M, n0 = Grid.IdxX / d.TilesM * Columns;
        int count = (d.K + TileShape.K - 1) / TileShape.K;

        WarpTile sum = default;
        for (int stage = 0; stage < TileShape.Stages - 1; stage++)
        {
            if (stage < count)
                Copy(stages + (uint)(stage * TileShape.StageBytes), thread, x, weight, weightOperand, rider, riderOperand, m0, n0, stage * TileShape.K, d);
            AsyncCopy.Commit();
        }

        for (int k = 0; k < count; k++)
        {
            AsyncCopy.WaitAllButOne();
            Group.Barrier();
            int next = k + TileShape.Stages - 1;
            if (next < count)
                Copy(stages + (uint)(next % TileShape.Stages * TileShape.StageBytes), thread, x, weight, weightOperand, rider, riderOperand, m0, n0, next * TileShape.K, d);
            AsyncCopy.Commit();
            uint at = stages + (uint)(k % TileShape.Stages * TileShape.StageBytes);
            sum.Add<InnerContiguous, T>(at, at + TileShape.OperandBytes, warpM, warpN, lane);
        }

        // The last stage is read: its memory takes x Aᵀ, which the warps of the last columns hold.
        Group.Barrier();
        int row = warpM + (lane >> 2);
        if (warpN + TileShape.WarpN == TileShape.N)
        {
            Keep(sum.M0, stages, row, m0, n0, lane, down, d);
            Keep(sum.M1, stages, row + 16, m0, n0, lane, down, d);
            Keep(sum.M2, stages, row + 32, m0, n0, lane, down, d);
            Keep(sum.M3, stages, row + 48, m0, n0, lane, down, d);
        }

        Group.Barrier();
        uint from = stages + (uint)(((warpM + (lane & 15)) * DownRow) + ((lane >> 4) * 16));
        Fragment u0 = LoadMatrix.X4(from), u1 = LoadMatrix.X4(from + (16 * DownRow)), u2 = LoadMatrix.X4(from + (32 * DownRow)), u3 = LoadMatrix.X4(from + (48 * DownRow));
        for (int column = 0; column < TileShape.WarpN; column += 8)
        {
            int n = n0 + warpN + column;
            if (warpN + column >= Columns || n >= d.N)
                break;
            uint b0 = Factor(factor, n + (lane >> 2), (lane & 3) * 2, d), b1 = Factor(factor, n + (lane >> 2), ((lane & 3) * 2) + 8, d);
            int at = n + ((lane & 3) * 2);
            Store(Take(sum.M0, column), Mma.Bf16(u0, b0, b1, default), bias, y, m0 + row, at, d);
            Store(Take(sum.M1, column), Mma.Bf16(u1, b0, b1, default), bias, y, m0 + row + 16, at, d);
            Store(Take(sum.M2, column), Mma.Bf16(u2, b0, b1, default), bias, y, m0 + row + 32, at, d);
            Store(Take(sum.M3, column), Mma.Bf16(u3, b0, b1, default), bias, y, m0 + row + 48, at, d);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Copy<T>(
        uint stage, int thread, ArrayView<ushort> x, ArrayView<ushort> weight, T weightOperand, ArrayView<ushort> rider, T riderOperand, int m0, int n0, int k0,
        TensorCoreDims d)
        where T : struct, IOperand
    {
        InnerContiguous rows = new(d.M, d.K);
        for (int piece = thread; piece < TileShape.Pieces; piece += TileShape.Threads)
        {
            rows.Copy(stage, piece, x, 0, m0, k0);
            if (T.OuterOf(piece) < Columns)
                weightOperand.Copy(stage + TileShape.OperandBytes, piece, weight, 0, n0, k0);
            else
                riderOperand.Copy(stage + TileShape.OperandBytes, piece, rider, 0, -Columns, k0);
        }
    }

    // A thread holds ranks 2t, 2t + 1 and 8 + 2t, 9 + 2t of rows g and g + 8.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Keep(WarpRow r, uint shared, int row, int m0, int n0, int lane, ArrayView<float> down, TensorCoreDims d)
    {
        int rank = (lane & 3) * 2;
        uint at = shared + (uint)((row * DownRow) + (rank * 2));
        SharedAddress.Store(at, Bf16.Pack(r.N2.X, r.N2.Y));
        SharedAddress.Store(at + 16, Bf16.Pack(r.N3.X, r.N3.Y));
        SharedAddress.Store(at + (8 * DownRow), Bf16.Pack(r.N2.Z, r.N2.W));
        SharedAddress.Store(at + (8 * DownRow) + 16, Bf16.Pack(r.N3.Z, r.N3.W));
        if (n0 != 0)
            return;
        int m = m0 + row;
        if (m < d.M)
        {
            GlobalPair.Store(ref down[((long)m * PaddedRank) + rank], r.N2.X, r.N2.Y);
            GlobalPair.Store(ref down[((long)m * PaddedRank) + rank + 8], r.N3.X, r.N3.Y);
        }

        if (m + 8 < d.M)
        {
            GlobalPair.Store(ref down[((long)(m + 8) * PaddedRank) + rank], r.N2.Z, r.N2.W);
            GlobalPair.Store(ref down[((long)(m + 8) * PaddedRank) + rank + 8], r.N3.Z, r.N3.W);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static uint Factor(ArrayView<ushort> factor, int column, int rank, TensorCoreDims d)
    {
        if (column >= d.N)
            return 0;
        long at = ((long)column * d.FactorColumn) + ((long)rank * d.FactorRank);
        return factor[at] | ((uint)factor[at + d.FactorRank] << 16);
    }

    // Fields cannot be indexed: the loop over columns picks one.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Accumulator Take(WarpRow r, int column)
    {
        if (column == 0)
            return r.N0;
        if (column == 8)
            return r.N1;
        return column == 16 ? r.N2 : r.N3;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Store(Accumulator product, Accumulator low, ArrayView<float> bias, ArrayView<float> y, int row, int column, TensorCoreDims d)
    {
        Store(product.X + (d.Scale * low.X), bias, y, row, column, d);
        Store(product.Y + (d.Scale * low.Y), bias, y, row, column + 1, d);
        Store(product.Z + (d.Scale * low.Z), bias, y, row + 8, column, d);
        Store(product.W + (d.Scale * low.W), bias, y, row + 8, column + 1, d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Store(float value, ArrayView<float> bias, ArrayView<float> y, int row, int column, TensorCoreDims d)
    {
        if (row >= d.M || column >= d.N)
            return;
        if (d.Bias != 0)
            value += bias[column];
        y[((long)row * d.N) + column] = value;
    }

    // ---- launchers ---------------------------------------------------------------------------------
    /// Whether the shape fits: one pair of factors, rank up to 16, In and Out multiples of eight.
    public static bool FitsTensorCore(LoraShape s) =>
        s.Samples == 1 && s.Rank <= PaddedRank && s.In > 0 && s.In % TileShape.Piece == 0 && s.Out % TileShape.Piece == 0;

    /// x (T,In), weight (Out,In), a (16,In), b (Out,16) in bf16; bias (Out) or empty; y (T,Out) and xa (T,16) in F32 are written.
    public static void ForwardTensorCore(
        KernelContext k, ArrayView<ushort> x, ArrayView<ushort> weight, ArrayView<float> bias, ArrayView<ushort> a, ArrayView<ushort> b, float scale,
        ArrayView<float> y, ArrayView<float> xa, LoraShape s)
    {
        using LaunchScope launch = k.Scope("LoraLinear.Forward", s, s.Work(sizeof(ushort)));
        CheckTensorCore(x.Length, weight.Length, a.Length, b.Length, y.Length, xa.Length, s);
        TensorCoreDims d = new(s.Rows, s.Out, s.In, scale, bias.Length > 0, PaddedRank, 1);
        k.LaunchGroups(
            ForwardTensorCoreKernel, (long)d.TilesM * d.TilesN, TileShape.Threads, x, weight, new InnerContiguous(s.Out, s.In), a, new InnerContiguous(PaddedRank, s.In), b,
            bias, y, xa, d);
    }

    /// dy (T,Out) in bf16; dx (T,In) and dya = dy B (T,16) in F32 are written.
    public static void BackwardInputTensorCore(
        KernelContext k, ArrayView<ushort> dy, ArrayView<ushort> weight, ArrayView<ushort> a, ArrayView<ushort> b, float scale, ArrayView<float> dx, ArrayView<float> dya,
        LoraShape s)
    {
        using LaunchScope launch = k.Scope("LoraLinear.BackwardInput", s, s.Work(sizeof(ushort)));
        CheckTensorCore(dx.Length, weight.Length, a.Length, b.Length, dy.Length, dya.Length, s);
        TensorCoreDims d = new(s.Rows, s.In, s.Out, scale, false, 1, s.In);
        k.LaunchGroups(
            ForwardTensorCoreKernel, (long)d.TilesM * d.TilesN, TileShape.Threads, dy, weight, new OuterContiguous(s.In, s.Out), b, new OuterContiguous(PaddedRank, s.Out), a,
            ArrayView<float>.Empty, dx, dya, d);
    }

    static void CheckTensorCore(long x, long weight, long a, long b, long y, long down, LoraShape s)
    {
        if (!FitsTensorCore(s))
            throw new ArgumentException($"LoraLinear: {s} does not fit the tensor cores: Samples must be 1, Rank at most {PaddedRank}, In and Out multiples of {TileShape.Piece}", nameof(s));
        if (x < (long)s.Rows * s.In || weight < (long)s.Out * s.In || a < (long)PaddedRank * s.In || b < (long)s.Out * PaddedRank || y < (long)s.Rows * s.Out
            || down < (long)s.Rows * PaddedRank)
        {
            throw new ArgumentException($"LoraLinear: x, weight, a, b, y, xa hold {x}, {weight}, {a}, {b}, {y}, {down} numbers: too few for {s}");
        }
    }

    // ---- trials ------------------------------------------------------------------------------------
    // x Aᵀ is rounded to bf16, by half of 2⁻⁷ of it, before it meets B.
    const double TrialTensorCoreBound = 1.0 / 256;

    [Trial("samples=1 rows=20 in=24 out=32 rank=4", "LoraLinear.Forward<InnerContiguous>")]
    internal static void ForwardTensorCoreTrial(Trial t)
    {
        LoraShape s = new(t["samples"], t["rows"], t["in"], t["out"], t["rank"]);
        (long rows, long factors) = ((long)s.Samples * s.Rows, (long)s.Samples * s.Rank);
        Halves x = t.Halves(rows * s.In), weight = t.Halves((long)s.Out * s.In), a = t.Halves((long)PaddedRank * s.In), b = t.Halves((long)s.Out * PaddedRank);
        Floats bias = t.Normal(s.Out), y = t.Result(rows * s.Out, TrialTensorCoreBound), xa = t.Result(rows * PaddedRank, Trial.SumOf(s.In));
        LoraShape padded = s with { Rank = PaddedRank };
        t.Run(
            () => ForwardTensorCore(t.Kernels, x, weight, bias, a, b, TrialScale, y, xa, padded), () => Reference.Forward(x, weight, bias, a, b, TrialScale, y, xa, padded));
    }

    [Trial("samples=1 rows=20 in=24 out=32 rank=4", "LoraLinear.Forward<OuterContiguous>")]
    internal static void BackwardInputTensorCoreTrial(Trial t)
    {
        LoraShape s = new(t["samples"], t["rows"], t["in"], t["out"], t["rank"]);
        (long rows, long factors) = ((long)s.Samples * s.Rows, (long)s.Samples * s.Rank);
        Halves dy = t.Halves(rows * s.Out), weight = t.Halves((long)s.Out * s.In), a = t.Halves((long)PaddedRank * s.In), b = t.Halves((long)s.Out * PaddedRank);
        Floats dx = t.Result(rows * s.In, TrialTensorCoreBound), dya = t.Result(rows * PaddedRank, Trial.SumOf(s.Out));
        LoraShape padded = s with { Rank = PaddedRank };
        t.Run(
            () => BackwardInputTensorCore(t.Kernels, dy, weight, a, b, TrialScale, dx, dya, padded), () => Reference.BackwardInput(dy, weight, a, b, TrialScale, dx, dya, padded));
    }
}
