using System.Runtime.CompilerServices;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.TensorCore;

namespace IlgpuDiffusion.Kernels.Attention;

/// The backward pass on tensor cores (FlashAttention-2, algorithm 2, in two kernels, so that nothing needs atomics): one walks over the keys for dq, the other over the
/// queries for dk and dv, with keys as rows of its scores. Probabilities come back from the kept statistics. P and ds are rounded to bf16 as left operands; sums are F32.
public static partial class Attention
{
    const int BackwardBytes = (2 * QueryBytes) + (4 * KeyBytes);

    // ---- kernels -----------------------------------------------------------------------------------
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
    internal static void QueryGradientTensorCoreKernel(
        ArrayView<ushort> q, ArrayView<ushort> key, ArrayView<ushort> v, ArrayView<ushort> dOut, ArrayView<float> stats, ArrayView<float> delta, ArrayView<float> dq, Dims d)
    {
        ArrayView<Fragment> shared = SharedMemory.Allocate<Fragment>(BackwardBytes / 16);
        uint queries = SharedAddress.Of(ref shared[0]), gradients = queries + QueryBytes, tiles = gradients + QueryBytes;
        int thread = Group.IdxX, lane = thread & 31, first = thread >> 5 << 4;
        int groups = (d.Queries + GroupQueries - 1) / GroupQueries;
        int q0 = Grid.IdxX % groups * GroupQueries, head = Grid.IdxX / groups % d.Heads, b = Grid.IdxX / groups / d.Heads;
        long start = d.Start(b, head, d.Queries), keyStart = d.Start(b, head, d.Keys);
        int last = d.Causal != 0 ? IntrinsicMath.Min(d.Keys, q0 + GroupQueries) : d.Keys;
        int count = (last + StepKeys - 1) / StepKeys, steps = (d.D + 15) / 16;

        Rows(queries, GroupQueries, thread, q, start, q0, d.Queries, d);
        Rows(gradients, GroupQueries, thread, dOut, start, q0, d.Queries, d);
        Rows(tiles, StepKeys, thread, key, keyStart, 0, d.Keys, d);
        Rows(tiles + KeyBytes, StepKeys, thread, v, keyStart, 0, d.Keys, d);
        AsyncCopy.Commit();

        int row = q0 + first + (lane >> 2);
        long statistics = (((long)b * d.Heads) + head) * d.Queries;
        QueryRow up = Statistics(stats, delta, statistics, row, d), down = Statistics(stats, delta, statistics, row + 8, d);
        WarpRow low = default, high = default;
        for (int tile = 0; tile < count; tile++)
        {
            if (tile + 1 < count)
            {
                uint to = tiles + (uint)(((tile + 1) & 1) * 2 * KeyBytes);
                Rows(to, StepKeys, thread, key, keyStart, (tile + 1) * StepKeys, d.Keys, d);
                Rows(to + KeyBytes, StepKeys, thread, v, keyStart, (tile + 1) * StepKeys, d.Keys, d);
            }

            AsyncCopy.Commit();
            AsyncCopy.WaitAllButOne();
            Group.Barrier();
            uint keys = tiles + (uint)((tile & 1) * 2 * KeyBytes), values = keys + KeyBytes;
            WarpRow s = Products(queries, first, keys, steps, lane), dp = Products(gradients, first, values, steps, lane);
            int column = (tile * StepKeys) + ((lane & 3) * 2);
            s.N0 = OfQueries(s.N0, dp.N0, up, down, row, column, d);
            s.N1 = OfQueries(s.N1, dp.N1, up, down, row, column + 8, d);
            s.N2 = OfQueries(s.N2, dp.N2, up, down, row, column + 16, d);
            s.N3 = OfQueries(s.N3, dp.N3, up, down, row, column + 24, d);
            Values(ref low, ref high, Packed(s.N0, s.N1), keys, lane & 15, lane);
            Values(ref low, ref high, Packed(s.N2, s.N3), keys, 16 + (lane & 15), lane);
            Group.Barrier();
        }

        Store(low, high, 1, 1, row, lane & 3, start, dq, d.Queries, d);
    }

    // One group 64 keys: dv = Pᵀ do, dk = scale·dsᵀ q. Rows of the scores are keys, columns queries.
    internal static void KeyGradientTensorCoreKernel(
        ArrayView<ushort> q, ArrayView<ushort> key, ArrayView<ushort> v, ArrayView<ushort> dOut, ArrayView<float> stats, ArrayView<float> delta, ArrayView<float> dk,
        ArrayView<float> dv, Dims d)
    {
        ArrayView<Fragment> shared = SharedMemory.Allocate<Fragment>(BackwardBytes / 16);
        uint keys = SharedAddress.Of(ref shared[0]), values = keys + QueryBytes, tiles = values + QueryBytes;
        int thread = Group.IdxX, lane = thread & 31, first = thread >> 5 << 4;
        int groups = (d.Keys + GroupQueries - 1) / GroupQueries;
        int k0 = Grid.IdxX % groups * GroupQueries, head = Grid.IdxX / groups % d.Heads, b = Grid.IdxX / groups / d.Heads;
        long start = d.Start(b, head, d.Queries), keyStart = d.Start(b, head, d.Keys);
        int count = (d.Queries + StepKeys - 1) / StepKeys, steps = (d.D + 15) / 16;
        // Queries before the first key see none of these.
        int begin = d.Causal != 0 ? IntrinsicMath.Min(k0 / StepKeys, count) : 0;

        Rows(keys, GroupQueries, thread, key, keyStart, k0, d.Keys, d);
        Rows(values, GroupQueries, thread, v, keyStart, k0, d.Keys, d);
        Rows(tiles + (uint)((begin & 1) * 2 * KeyBytes), StepKeys, thread, q, start, begin * StepKeys, d.Queries, d);
        Rows(tiles + (uint)(((begin & 1) * 2 * KeyBytes) + KeyBytes), StepKeys, thread, dOut, start, begin * StepKeys, d.Queries, d);
        AsyncCopy.Commit();

        int row = k0 + first + (lane >> 2);
        long statistics = (((long)b * d.Heads) + head) * d.Queries;
        WarpRow keyLow = default, keyHigh = default, valueLow = default, valueHigh = default;
        for (int tile = begin; tile < count; tile++)
        {
            if (tile + 1 < count)
            {
                uint to = tiles + (uint)(((tile + 1) & 1) * 2 * KeyBytes);
                Rows(to, StepKeys, thread, q, start, (tile + 1) * StepKeys, d.Queries, d);
                Rows(to + KeyBytes, StepKeys, thread, dOut, start, (tile + 1) * StepKeys, d.Queries, d);
            }

            AsyncCopy.Commit();
            AsyncCopy.WaitAllButOne();
            Group.Barrier();
            uint queries = tiles + (uint)((tile & 1) * 2 * KeyBytes), gradients = queries + KeyBytes;
            WarpRow p = Products(keys, first, queries, steps, lane), ds = Products(values, first, gradients, steps, lane);
            int column = (tile * StepKeys) + ((lane & 3) * 2);
            OfKeys(ref p.N0, ref ds.N0, stats, delta, statistics, row, column, d);
            OfKeys(ref p.N1, ref ds.N1, stats, delta, statistics, row, column + 8, d);
            OfKeys(ref p.N2, ref ds.N2, stats, delta, statistics, row, column + 16, d);
            OfKeys(ref p.N3, ref ds.N3, stats, delta, statistics, row, column + 24, d);
            Values(ref valueLow, ref valueHigh, Packed(p.N0, p.N1), gradients, lane & 15, lane);
            Values(ref valueLow, ref valueHigh, Packed(p.N2, p.N3), gradients, 16 + (lane & 15), lane);
            Values(ref keyLow, ref keyHigh, Packed(ds.N0, ds.N1), queries, lane & 15, lane);
            Values(ref keyLow, ref keyHigh, Packed(ds.N2, ds.N3), queries, 16 + (lane & 15), lane);
            Group.Barrier();
        }

        Store(valueLow, valueHigh, 1, 1, row, lane & 3, keyStart, dv, d.Keys, d);
        Store(keyLow, keyHigh, 1, 1, row, lane & 3, keyStart, dk, d.Keys, d);
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
    /// q, k, v, dOut in bf16, o and the statistics from the forward pass; delta (B,heads,Tq) is scratch; dq, dk, dv in F32 are written.
    public static void BackwardTensorCore(
        KernelContext k, ArrayView<ushort> q, ArrayView<ushort> key, ArrayView<ushort> v, ArrayView<float> o, ArrayView<float> stats, ArrayView<ushort> dOut,
        ArrayView<float> delta, ArrayView<float> dq, ArrayView<float> dk, ArrayView<float> dv, Dims d)
    {
        if (!FitsTensorCore(d))
            throw new ArgumentException($"Attention: D = {d.D} must be a multiple of {TileShape.Piece} up to {TensorCoreWidth}, without bias, for the tensor cores", nameof(d));
        long rows = (long)d.B * d.Heads * d.Queries, heads = (long)d.B * d.Heads;
        k.Launch(DeltaTensorCoreKernel, rows, o, dOut, delta, d);
        k.LaunchGroups(
            QueryGradientTensorCoreKernel, heads * ((d.Queries + GroupQueries - 1) / GroupQueries), TensorCoreThreads, q, key, v, dOut, stats, delta, dq, d);
        k.LaunchGroups(
            KeyGradientTensorCoreKernel, heads * ((d.Keys + GroupQueries - 1) / GroupQueries), TensorCoreThreads, q, key, v, dOut, stats, delta, dk, dv, d);
    }
}
