using System.Runtime.CompilerServices;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.TensorCore;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Attention;

/// Streaming attention on tensor cores (FlashAttention-2, Dao 2023, algorithms 1 and 2). Forward: a warp keeps 16 queries' maxima, sums and outputs in registers and walks over the
/// keys 32 at a time; the probabilities never leave the registers, since mma's result layout is its left operand's. bf16 q, k, v; F32 scores, sums and outputs; the
/// probabilities are rounded to bf16 for P·v. D up to 160, a multiple of eight; no additive bias. Checked by `ptx-sim`; never run on a GPU.
public static partial class Attention
{
    const int GroupQueries = 64, StepKeys = 32, TensorCoreThreads = GroupQueries / 16 * 32;

    /// The widest head.
    public const int TensorCoreWidth = 160;

    // Rows in shared memory: of queries, and of two tiles of keys and two of values; backward of queries (or keys) and their gradients (or values), and of two pairs of tiles of the others.
    const int ForwardRows = GroupQueries + (4 * StepKeys), BackwardRows = (2 * GroupQueries) + (4 * StepKeys);

    const float Log2E = 1.44269504f;

    // ---- kernels: forward --------------------------------------------------------------------------
    // One group 64 queries of a head: four warps of 16. Keys and values of the next tile are copied while this one is worked on.
    internal static void ForwardTensorCoreKernel<THead>(
        ArrayView<ushort> q, ArrayView<ushort> key, ArrayView<ushort> v, ArrayView<float> o, ArrayView<float> stats, Dims d)
        where THead : struct, IHeadWidth
    {
        ArrayView<Fragment> shared = SharedMemory.GetDynamic<Fragment>();
        uint keyBytes = (uint)(StepKeys * HeadTile.RowBytes<THead>()), queries = SharedAddress.Of(ref shared[0]), tiles = queries + (GroupQueries / StepKeys * keyBytes);
        int thread = Group.IdxX, lane = thread & 31, first = thread >> 5 << 4;
        int groups = (d.Queries + GroupQueries - 1) / GroupQueries;
        int q0 = Grid.IdxX % groups * GroupQueries, head = Grid.IdxX / groups % d.Heads, b = Grid.IdxX / groups / d.Heads;
        long keyStart = d.Start(b, head, d.Keys);
        int last = d.Causal != 0 ? IntrinsicMath.Min(d.Keys, q0 + GroupQueries) : d.Keys;
        int count = (last + StepKeys - 1) / StepKeys, steps = (d.D + 15) / 16;

        HeadTile.Copy<THead>(queries, GroupQueries, thread, TensorCoreThreads, q, d.Start(b, head, d.Queries), q0, d.Queries, d.Stride, d.D);
        HeadTile.Copy<THead>(tiles, StepKeys, thread, TensorCoreThreads, key, keyStart, 0, d.Keys, d.Stride, d.D);
        HeadTile.Copy<THead>(tiles + keyBytes, StepKeys, thread, TensorCoreThreads, v, keyStart, 0, d.Keys, d.Stride, d.D);
        AsyncCopy.Commit();

        int row = q0 + first + (lane >> 2);
        HeadRow sums = default;
        float maxUp = float.NegativeInfinity, maxDown = float.NegativeInfinity, sumUp = 0, sumDown = 0;
        for (int tile = 0; tile < count; tile++)
        {
            if (tile + 1 < count)
            {
                uint to = tiles + ((uint)((tile + 1) & 1) * 2 * keyBytes);
                HeadTile.Copy<THead>(to, StepKeys, thread, TensorCoreThreads, key, keyStart, (tile + 1) * StepKeys, d.Keys, d.Stride, d.D);
                HeadTile.Copy<THead>(to + keyBytes, StepKeys, thread, TensorCoreThreads, v, keyStart, (tile + 1) * StepKeys, d.Keys, d.Stride, d.D);
            }

            AsyncCopy.Commit();
            AsyncCopy.WaitAllButOne();
            Group.Barrier();
            uint keys = tiles + ((uint)(tile & 1) * 2 * keyBytes), values = keys + keyBytes;

            WarpRow s = HeadTile.Products<THead>(queries, first, keys, steps, lane);
            int column = (tile * StepKeys) + ((lane & 3) * 2);
            s.N0 = Seen(s.N0, row, column, d);
            s.N1 = Seen(s.N1, row, column + 8, d);
            s.N2 = Seen(s.N2, row, column + 16, d);
            s.N3 = Seen(s.N3, row, column + 24, d);

            float up = IntrinsicMath.Max(maxUp, OfFour(IntrinsicMath.Max(
                IntrinsicMath.Max(IntrinsicMath.Max(s.N0.X, s.N0.Y), IntrinsicMath.Max(s.N1.X, s.N1.Y)),
                IntrinsicMath.Max(IntrinsicMath.Max(s.N2.X, s.N2.Y), IntrinsicMath.Max(s.N3.X, s.N3.Y)))));
            float down = IntrinsicMath.Max(maxDown, OfFour(IntrinsicMath.Max(
                IntrinsicMath.Max(IntrinsicMath.Max(s.N0.Z, s.N0.W), IntrinsicMath.Max(s.N1.Z, s.N1.W)),
                IntrinsicMath.Max(IntrinsicMath.Max(s.N2.Z, s.N2.W), IntrinsicMath.Max(s.N3.Z, s.N3.W)))));
            float keepUp = Exp2.Approximate((maxUp - up) * Log2E), keepDown = Exp2.Approximate((maxDown - down) * Log2E);
            maxUp = up;
            maxDown = down;
            s.N0 = Weights(s.N0, up, down);
            s.N1 = Weights(s.N1, up, down);
            s.N2 = Weights(s.N2, up, down);
            s.N3 = Weights(s.N3, up, down);
            sumUp = (sumUp * keepUp) + (s.N0.X + s.N0.Y + (s.N1.X + s.N1.Y) + (s.N2.X + s.N2.Y + (s.N3.X + s.N3.Y)));
            sumDown = (sumDown * keepDown) + (s.N0.Z + s.N0.W + (s.N1.Z + s.N1.W) + (s.N2.Z + s.N2.W + (s.N3.Z + s.N3.W)));
            sums.Scale<THead>(keepUp, keepDown);
            sums.Add<THead>(Packed(s.N0, s.N1), values, lane & 15, lane);
            sums.Add<THead>(Packed(s.N2, s.N3), values, 16 + (lane & 15), lane);
            Group.Barrier();
        }

        // Threads of a row hold the sums of their own columns.
        sumUp += Warp.ShuffleXor(sumUp, 1);
        sumUp += Warp.ShuffleXor(sumUp, 2);
        sumDown += Warp.ShuffleXor(sumDown, 1);
        sumDown += Warp.ShuffleXor(sumDown, 2);
        sums.Scale<THead>(1 / sumUp, 1 / sumDown);
        sums.Store<THead>(row, lane & 3, d.Start(b, head, d.Queries), o, d.Queries, d.Stride, d.D);
        if ((lane & 3) == 0)
        {
            long at = ((((long)b * d.Heads) + head) * d.Queries) + row;
            Keep(stats, at, row, maxUp, 1 / sumUp, d);
            Keep(stats, at + 8, row + 8, maxDown, 1 / sumDown, d);
        }
    }

    // Scores of keys `column` and `column` + 1 for queries `row` and `row` + 8; −∞ where a query may not look.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Accumulator Seen(Accumulator s, int row, int column, Dims d)
    {
        int up = d.Visible(row), down = d.Visible(row + 8);
        s.X = column < up ? s.X * d.Scale : float.NegativeInfinity;
        s.Y = column + 1 < up ? s.Y * d.Scale : float.NegativeInfinity;
        s.Z = column < down ? s.Z * d.Scale : float.NegativeInfinity;
        s.W = column + 1 < down ? s.W * d.Scale : float.NegativeInfinity;
        return s;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static float OfFour(float x)
    {
        x = IntrinsicMath.Max(x, Warp.ShuffleXor(x, 1));
        return IntrinsicMath.Max(x, Warp.ShuffleXor(x, 2));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Accumulator Weights(Accumulator s, float up, float down)
    {
        s.X = Exp2.Approximate((s.X - up) * Log2E);
        s.Y = Exp2.Approximate((s.Y - up) * Log2E);
        s.Z = Exp2.Approximate((s.Z - down) * Log2E);
        s.W = Exp2.Approximate((s.W - down) * Log2E);
        return s;
    }

    // Two results side by side are a left operand 16 wide.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Fragment Packed(Accumulator left, Accumulator right)
    {
        Fragment f = default;
        f.X = Bf16.Pack(left.X, left.Y);
        f.Y = Bf16.Pack(left.Z, left.W);
        f.Z = Bf16.Pack(right.X, right.Y);
        f.W = Bf16.Pack(right.Z, right.W);
        return f;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Keep(ArrayView<float> stats, long at, int row, float max, float reciprocal, Dims d)
    {
        if (row >= d.Queries)
            return;
        stats[at * Stats] = max;
        stats[(at * Stats) + 1] = reciprocal;
    }

    // ---- kernels: backward -------------------------------------------------------------------------
    // FlashAttention-2's algorithm 2 in two kernels, so that nothing needs atomics: one walks over the keys for dq, the other over the queries for dk and dv, with keys as
    // rows of its scores. Probabilities come back from the kept statistics; P and ds are rounded to bf16 as left operands.

    // One thread a row: δ, from dOut in bf16.
    internal static void DeltaTensorCoreKernel(Index1D row, ArrayView<float> o, ArrayView<ushort> dOut, ArrayView<float> delta, Dims d)
    {
        int i = row % d.Queries, head = row / d.Queries % d.Heads, b = row / d.Queries / d.Heads;
        long qi = d.Start(b, head, d.Queries) + ((long)i * d.Stride);
        float sum = 0;
        for (int e = 0; e < d.D; e++)
            sum += o[qi + e] * Interop.IntAsFloat((uint)dOut[qi + e] << 16);
        delta[row] = sum;
    }

    // One group 64 queries: dq = scale·ds k.
    internal static void QueryGradientTensorCoreKernel<THead>(
        ArrayView<ushort> q, ArrayView<ushort> key, ArrayView<ushort> v, ArrayView<ushort> dOut, ArrayView<float> stats, ArrayView<float> delta, ArrayView<float> dq, Dims d)
        where THead : struct, IHeadWidth
    {
        ArrayView<Fragment> shared = SharedMemory.GetDynamic<Fragment>();
        uint keyBytes = (uint)(StepKeys * HeadTile.RowBytes<THead>()), queryBytes = GroupQueries / StepKeys * keyBytes;
        uint queries = SharedAddress.Of(ref shared[0]), gradients = queries + queryBytes, tiles = gradients + queryBytes;
        int thread = Group.IdxX, lane = thread & 31, first = thread >> 5 << 4;
        int groups = (d.Queries + GroupQueries - 1) / GroupQueries;
        int q0 = Grid.IdxX % groups * GroupQueries, head = Grid.IdxX / groups % d.Heads, b = Grid.IdxX / groups / d.Heads;
        long start = d.Start(b, head, d.Queries), keyStart = d.Start(b, head, d.Keys);
        int last = d.Causal != 0 ? IntrinsicMath.Min(d.Keys, q0 + GroupQueries) : d.Keys;
        int count = (last + StepKeys - 1) / StepKeys, steps = (d.D + 15) / 16;

        HeadTile.Copy<THead>(queries, GroupQueries, thread, TensorCoreThreads, q, start, q0, d.Queries, d.Stride, d.D);
        HeadTile.Copy<THead>(gradients, GroupQueries, thread, TensorCoreThreads, dOut, start, q0, d.Queries, d.Stride, d.D);
        HeadTile.Copy<THead>(tiles, StepKeys, thread, TensorCoreThreads, key, keyStart, 0, d.Keys, d.Stride, d.D);
        HeadTile.Copy<THead>(tiles + keyBytes, StepKeys, thread, TensorCoreThreads, v, keyStart, 0, d.Keys, d.Stride, d.D);
        AsyncCopy.Commit();

        int row = q0 + first + (lane >> 2);
        long statistics = (((long)b * d.Heads) + head) * d.Queries;
        QueryRow up = Statistics(stats, delta, statistics, row, d), down = Statistics(stats, delta, statistics, row + 8, d);
        HeadRow sums = default;
        for (int tile = 0; tile < count; tile++)
        {
            if (tile + 1 < count)
            {
                uint to = tiles + ((uint)((tile + 1) & 1) * 2 * keyBytes);
                HeadTile.Copy<THead>(to, StepKeys, thread, TensorCoreThreads, key, keyStart, (tile + 1) * StepKeys, d.Keys, d.Stride, d.D);
                HeadTile.Copy<THead>(to + keyBytes, StepKeys, thread, TensorCoreThreads, v, keyStart, (tile + 1) * StepKeys, d.Keys, d.Stride, d.D);
            }

            AsyncCopy.Commit();
            AsyncCopy.WaitAllButOne();
            Group.Barrier();
            uint keys = tiles + ((uint)(tile & 1) * 2 * keyBytes), values = keys + keyBytes;
            WarpRow s = HeadTile.Products<THead>(queries, first, keys, steps, lane), dp = HeadTile.Products<THead>(gradients, first, values, steps, lane);
            int column = (tile * StepKeys) + ((lane & 3) * 2);
            s.N0 = OfQueries(s.N0, dp.N0, up, down, row, column, d);
            s.N1 = OfQueries(s.N1, dp.N1, up, down, row, column + 8, d);
            s.N2 = OfQueries(s.N2, dp.N2, up, down, row, column + 16, d);
            s.N3 = OfQueries(s.N3, dp.N3, up, down, row, column + 24, d);
            sums.Add<THead>(Packed(s.N0, s.N1), keys, lane & 15, lane);
            sums.Add<THead>(Packed(s.N2, s.N3), keys, 16 + (lane & 15), lane);
            Group.Barrier();
        }

        sums.Store<THead>(row, lane & 3, start, dq, d.Queries, d.Stride, d.D);
    }

    // One group 64 keys: dv = Pᵀ do, dk = scale·dsᵀ q. Rows of the scores are keys, columns queries.
    internal static void KeyGradientTensorCoreKernel<THead>(
        ArrayView<ushort> q, ArrayView<ushort> key, ArrayView<ushort> v, ArrayView<ushort> dOut, ArrayView<float> stats, ArrayView<float> delta, ArrayView<float> dk,
        ArrayView<float> dv, Dims d)
        where THead : struct, IHeadWidth
    {
        ArrayView<Fragment> shared = SharedMemory.GetDynamic<Fragment>();
        uint queryBytes = (uint)(StepKeys * HeadTile.RowBytes<THead>()), keyBytes = GroupQueries / StepKeys * queryBytes;
        uint keys = SharedAddress.Of(ref shared[0]), values = keys + keyBytes, tiles = values + keyBytes;
        int thread = Group.IdxX, lane = thread & 31, first = thread >> 5 << 4;
        int groups = (d.Keys + GroupQueries - 1) / GroupQueries;
        int k0 = Grid.IdxX % groups * GroupQueries, head = Grid.IdxX / groups % d.Heads, b = Grid.IdxX / groups / d.Heads;
        long start = d.Start(b, head, d.Queries), keyStart = d.Start(b, head, d.Keys);
        int count = (d.Queries + StepKeys - 1) / StepKeys, steps = (d.D + 15) / 16;
        // Queries before the first key see none of these.
        int begin = d.Causal != 0 ? IntrinsicMath.Min(k0 / StepKeys, count) : 0;

        HeadTile.Copy<THead>(keys, GroupQueries, thread, TensorCoreThreads, key, keyStart, k0, d.Keys, d.Stride, d.D);
        HeadTile.Copy<THead>(values, GroupQueries, thread, TensorCoreThreads, v, keyStart, k0, d.Keys, d.Stride, d.D);
        HeadTile.Copy<THead>(tiles + ((uint)(begin & 1) * 2 * queryBytes), StepKeys, thread, TensorCoreThreads, q, start, begin * StepKeys, d.Queries, d.Stride, d.D);
        HeadTile.Copy<THead>(tiles + ((uint)(begin & 1) * 2 * queryBytes) + queryBytes, StepKeys, thread, TensorCoreThreads, dOut, start, begin * StepKeys, d.Queries, d.Stride, d.D);
        AsyncCopy.Commit();

        int row = k0 + first + (lane >> 2);
        long statistics = (((long)b * d.Heads) + head) * d.Queries;
        HeadRow keySums = default, valueSums = default;
        for (int tile = begin; tile < count; tile++)
        {
            if (tile + 1 < count)
            {
                uint to = tiles + ((uint)((tile + 1) & 1) * 2 * queryBytes);
                HeadTile.Copy<THead>(to, StepKeys, thread, TensorCoreThreads, q, start, (tile + 1) * StepKeys, d.Queries, d.Stride, d.D);
                HeadTile.Copy<THead>(to + queryBytes, StepKeys, thread, TensorCoreThreads, dOut, start, (tile + 1) * StepKeys, d.Queries, d.Stride, d.D);
            }

            AsyncCopy.Commit();
            AsyncCopy.WaitAllButOne();
            Group.Barrier();
            uint queries = tiles + ((uint)(tile & 1) * 2 * queryBytes), gradients = queries + queryBytes;
            WarpRow p = HeadTile.Products<THead>(keys, first, queries, steps, lane), ds = HeadTile.Products<THead>(values, first, gradients, steps, lane);
            int column = (tile * StepKeys) + ((lane & 3) * 2);
            OfKeys(ref p.N0, ref ds.N0, stats, delta, statistics, row, column, d);
            OfKeys(ref p.N1, ref ds.N1, stats, delta, statistics, row, column + 8, d);
            OfKeys(ref p.N2, ref ds.N2, stats, delta, statistics, row, column + 16, d);
            OfKeys(ref p.N3, ref ds.N3, stats, delta, statistics, row, column + 24, d);
            valueSums.Add<THead>(Packed(p.N0, p.N1), gradients, lane & 15, lane);
            valueSums.Add<THead>(Packed(p.N2, p.N3), gradients, 16 + (lane & 15), lane);
            keySums.Add<THead>(Packed(ds.N0, ds.N1), queries, lane & 15, lane);
            keySums.Add<THead>(Packed(ds.N2, ds.N3), queries, 16 + (lane & 15), lane);
            Group.Barrier();
        }

        valueSums.Store<THead>(row, lane & 3, keyStart, dv, d.Keys, d.Stride, d.D);
        keySums.Store<THead>(row, lane & 3, keyStart, dk, d.Keys, d.Stride, d.D);
    }

    /// What the backward pass needs of a query: maximum, reciprocal sum (0 beyond the last query) and δ.
    internal struct QueryRow
    {
        public float Max;
        public float Reciprocal;
        public float Delta;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static QueryRow Statistics(ArrayView<float> stats, ArrayView<float> delta, long start, int row, Dims d)
    {
        QueryRow r = default;
        if (row < d.Queries)
        {
            long at = start + row;
            r.Max = stats[at * Stats];
            r.Reciprocal = stats[(at * Stats) + 1];
            r.Delta = delta[at];
        }

        return r;
    }

    // P of one score, 0 where the query may not look.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static float Probability(float s, QueryRow query, int row, int column, Dims d) =>
        row < d.Queries && column < d.Visible(row) ? Exp2.Approximate(((s * d.Scale) - query.Max) * Log2E) * query.Reciprocal : 0;

    // ds·scale where rows are queries.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Accumulator OfQueries(Accumulator s, Accumulator dp, QueryRow up, QueryRow down, int row, int column, Dims d)
    {
        s.X = Probability(s.X, up, row, column, d) * (dp.X - up.Delta) * d.Scale;
        s.Y = Probability(s.Y, up, row, column + 1, d) * (dp.Y - up.Delta) * d.Scale;
        s.Z = Probability(s.Z, down, row + 8, column, d) * (dp.Z - down.Delta) * d.Scale;
        s.W = Probability(s.W, down, row + 8, column + 1, d) * (dp.W - down.Delta) * d.Scale;
        return s;
    }

    // P and ds·scale where rows are keys; `s` becomes the one, `dp` the other.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void OfKeys(ref Accumulator s, ref Accumulator dp, ArrayView<float> stats, ArrayView<float> delta, long start, int key, int query, Dims d)
    {
        QueryRow left = Statistics(stats, delta, start, query, d), right = Statistics(stats, delta, start, query + 1, d);
        s.X = Probability(s.X, left, query, key, d);
        s.Y = Probability(s.Y, right, query + 1, key, d);
        s.Z = Probability(s.Z, left, query, key + 8, d);
        s.W = Probability(s.W, right, query + 1, key + 8, d);
        dp.X = s.X * (dp.X - left.Delta) * d.Scale;
        dp.Y = s.Y * (dp.Y - right.Delta) * d.Scale;
        dp.Z = s.Z * (dp.Z - left.Delta) * d.Scale;
        dp.W = s.W * (dp.W - right.Delta) * d.Scale;
    }

    // ---- launchers ---------------------------------------------------------------------------------
    /// Whether the shape fits: D a multiple of eight up to 160, no additive bias, at least one key.
    public static bool FitsTensorCore(Dims d) => d.D % TileShape.Piece == 0 && d.D <= TensorCoreWidth && d.Biased == 0 && d.Keys > 0;

    /// q (B,Tq,heads·D), k and v (B,Tk,heads·D) in bf16; o (B,Tq,heads·D) and the statistics (B,heads,Tq,2) in F32 are written.
    public static void ForwardTensorCore(
        KernelContext k, ArrayView<ushort> q, ArrayView<ushort> key, ArrayView<ushort> v, ArrayView<float> o, ArrayView<float> stats, Dims d)
    {
        if (d.D <= Width<Head64>())
            ForwardTensorCore<Head64>(k, q, key, v, o, stats, d);
        else if (d.D <= Width<Head96>())
            ForwardTensorCore<Head96>(k, q, key, v, o, stats, d);
        else
            ForwardTensorCore<Head160>(k, q, key, v, o, stats, d);
    }

    internal static void ForwardTensorCore<THead>(
        KernelContext k, ArrayView<ushort> q, ArrayView<ushort> key, ArrayView<ushort> v, ArrayView<float> o, ArrayView<float> stats, Dims d)
        where THead : struct, IHeadWidth
    {
        using LaunchScope launch = k.Scope("Attention.Forward", (d.B, d.Queries, d.Keys, d.Heads, d.D), WorkOf(d, 2, 2, sizeof(ushort)));
        CheckTensorCore<THead>(d);
        long rows = (long)d.B * d.Queries * d.Stride, keys = (long)d.B * d.Keys * d.Stride, statistics = (long)d.B * d.Heads * d.Queries * Stats;
        if (q.Length < rows || o.Length < rows || key.Length < keys || v.Length < keys || stats.Length < statistics)
            throw new ArgumentException($"Attention: q, k, v, o, stats hold {q.Length}, {key.Length}, {v.Length}, {o.Length}, {stats.Length} numbers; {rows}, {keys}, {keys}, {rows}, {statistics} are needed");
        long groups = (long)d.B * d.Heads * ((d.Queries + GroupQueries - 1) / GroupQueries);
        k.LaunchGroups(ForwardTensorCoreKernel<THead>, groups, Size<THead>(ForwardRows), q, key, v, o, stats, d);
    }

    /// q, k, v, dOut in bf16, o and the statistics from the forward pass; delta (B,heads,Tq) is scratch; dq, dk, dv in F32 are written.
    public static void BackwardTensorCore(
        KernelContext k, ArrayView<ushort> q, ArrayView<ushort> key, ArrayView<ushort> v, ArrayView<float> o, ArrayView<float> stats, ArrayView<ushort> dOut,
        ArrayView<float> delta, ArrayView<float> dq, ArrayView<float> dk, ArrayView<float> dv, Dims d)
    {
        if (d.D <= Width<Head64>())
            BackwardTensorCore<Head64>(k, q, key, v, o, stats, dOut, delta, dq, dk, dv, d);
        else if (d.D <= Width<Head96>())
            BackwardTensorCore<Head96>(k, q, key, v, o, stats, dOut, delta, dq, dk, dv, d);
        else
            BackwardTensorCore<Head160>(k, q, key, v, o, stats, dOut, delta, dq, dk, dv, d);
    }

    internal static void BackwardTensorCore<THead>(
        KernelContext k, ArrayView<ushort> q, ArrayView<ushort> key, ArrayView<ushort> v, ArrayView<float> o, ArrayView<float> stats, ArrayView<ushort> dOut,
        ArrayView<float> delta, ArrayView<float> dq, ArrayView<float> dk, ArrayView<float> dv, Dims d)
        where THead : struct, IHeadWidth
    {
        using LaunchScope launch = k.Scope("Attention.Backward", (d.B, d.Queries, d.Keys, d.Heads, d.D), WorkOf(d, 5, 4, sizeof(ushort)));
        CheckTensorCore<THead>(d);
        long rows = (long)d.B * d.Heads * d.Queries, heads = (long)d.B * d.Heads;
        GroupSize size = Size<THead>(BackwardRows);
        k.Launch(DeltaTensorCoreKernel, rows, o, dOut, delta, d);
        k.LaunchGroups(QueryGradientTensorCoreKernel<THead>, heads * ((d.Queries + GroupQueries - 1) / GroupQueries), size, q, key, v, dOut, stats, delta, dq, d);
        k.LaunchGroups(KeyGradientTensorCoreKernel<THead>, heads * ((d.Keys + GroupQueries - 1) / GroupQueries), size, q, key, v, dOut, stats, delta, dk, dv, d);
    }

    static int Width<THead>()
        where THead : struct, IHeadWidth => 32 * THead.Blocks;

    static GroupSize Size<THead>(int rows)
        where THead : struct, IHeadWidth => new(TensorCoreThreads, rows * HeadTile.RowBytes<THead>());

    static void CheckTensorCore<THead>(Dims d)
        where THead : struct, IHeadWidth
    {
        if (!FitsTensorCore(d) || d.D > Width<THead>())
            throw new ArgumentException($"Attention: D = {d.D} must be a multiple of {TileShape.Piece} up to {Width<THead>()}, without bias, for the tensor cores", nameof(d));
    }

    // ---- trials ------------------------------------------------------------------------------------
    // A probability is rounded to bf16, by half of 2⁻⁷ of it; an output is a mean of values under them, a gradient a sum of as many such terms.
    const double TrialTensorCoreBound = 1.0 / 128;

    [Trial("B=1 queries=20 keys=24 heads=2 D=40 causal=0")]
    internal static void ForwardTensorCoreTrial<THead>(Trial t)
        where THead : struct, IHeadWidth
    {
        Dims d = new(t["B"], t["queries"], t["keys"], t["heads"], t["D"], 1 / MathF.Sqrt(t["D"]), t["causal"] != 0);
        long rows = (long)d.B * d.Queries * d.Stride, others = (long)d.B * d.Keys * d.Stride, statistics = (long)d.B * d.Heads * d.Queries;
        Halves q = t.Halves(rows), key = t.Halves(others), v = t.Halves(others);
        Floats o = t.Result(rows, TrialTensorCoreBound), stats = t.Scratch(Stats * statistics);
        t.Run(() => ForwardTensorCore<THead>(t.Kernels, q, key, v, o, stats, d), () => Reference.Forward(q, key, v, default, o, d));
    }

    [Trial("B=1 queries=20 keys=24 heads=2 D=40 causal=0", "Attention.Delta", "Attention.QueryGradient<>", "Attention.KeyGradient<>")]
    internal static void BackwardTensorCoreTrial<THead>(Trial t)
        where THead : struct, IHeadWidth
    {
        Dims d = new(t["B"], t["queries"], t["keys"], t["heads"], t["D"], 1 / MathF.Sqrt(t["D"]), t["causal"] != 0);
        long rows = (long)d.B * d.Queries * d.Stride, others = (long)d.B * d.Keys * d.Stride, statistics = (long)d.B * d.Heads * d.Queries;
        Halves q = t.Halves(rows), key = t.Halves(others), v = t.Halves(others), dOut = t.Halves(rows);
        Floats o = t.Scratch(rows), stats = t.Scratch(Stats * statistics), delta = t.Scratch(statistics);
        Floats dq = t.Result(rows, TrialTensorCoreBound), dk = t.Result(others, TrialTensorCoreBound), dv = t.Result(others, TrialTensorCoreBound);
        ForwardTensorCore<THead>(t.Kernels, q, key, v, o, stats, d);
        t.Run(
            () => BackwardTensorCore<THead>(t.Kernels, q, key, v, o, stats, dOut, delta, dq, dk, dv, d), () => Reference.Backward(q, key, v, default, dOut, dq, dk, dv, d));
    }
}
