using System.Buffers;
using System.Runtime.CompilerServices;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Kernels.Attention;

/// The `cpu` version. Scores exist for one tile of queries and one tile of keys at a time, in a buffer of the task's own that stays in the
/// first-level cache. Keys and values are transposed by tiles, so that all five products of forward and backward run with neighbouring
/// columns in a register.
public static unsafe partial class Attention
{
    const int QueryTile = 64, KeyTile = 64;

    // With fewer heads in the batch than this, the backward pass shares out tiles of queries (for dq) and tiles of keys (for dk, dv) and
    // recomputes the scores for each: 7 products in place of 5, but work for more threads.
    const int HeadsToShareOut = 8;

    static int Tiles(int length, int tile) => (length + tile - 1) / tile;

    /// A task's own memory: the transposed keys, the transposed values, two tiles of scores, two numbers a query.
    static void WithBuffer(int d, Buffer.Use use)
    {
        int transposed = d * KeyTile, scores = QueryTile * KeyTile;
        float[] memory = ArrayPool<float>.Shared.Rent((2 * transposed) + (2 * scores) + (2 * QueryTile));
        fixed (float* p = memory)
        {
            Buffer buffer = new(p, p + transposed, p + (2 * transposed), p + (2 * transposed) + scores, p + (2 * transposed) + (2 * scores));
            use(buffer);
        }

        ArrayPool<float>.Shared.Return(memory);
    }

    readonly struct Buffer(float* keys, float* values, float* scores, float* gradients, float* rows)
    {
        public delegate void Use(Buffer buffer);

        public readonly float* Keys = keys, Values = values, Scores = scores, Gradients = gradients, Max = rows, Sum = rows + QueryTile;
    }

    /// Pointers of one head of one sample.
    readonly struct Head(float* q, float* k, float* v, float* bias, float* o, float* stats, Dims d, int b, int head)
    {
        public readonly float* Q = q + d.Start(b, head, d.Queries), K = k + d.Start(b, head, d.Keys), V = v + d.Start(b, head, d.Keys);
        public readonly float* O = o + d.Start(b, head, d.Queries), Stats = stats + (2L * ((b * d.Heads) + head) * d.Queries);
        public readonly float* Bias = d.Biased != 0 ? bias + d.BiasStart(b, head) : null;
    }

    static void CpuForward(
        CpuPool cpu,
        ArrayView<float> q,
        ArrayView<float> key,
        ArrayView<float> v,
        ArrayView<float> bias,
        ArrayView<float> o,
        ArrayView<float> stats,
        Dims d)
    {
        float* pq = q.Pointer(), pk = key.Pointer(), pv = v.Pointer(), pbias = d.Biased != 0 ? bias.Pointer() : null, po = o.Pointer(), ps = stats.Pointer();
        int tiles = Tiles(d.Queries, QueryTile);
        cpu.For(d.B * d.Heads * tiles, task => WithBuffer(d.D, buffer =>
        {
            int index = task / tiles;
            Head head = new(pq, pk, pv, pbias, po, ps, d, index / d.Heads, index % d.Heads);
            ForwardTile(head, buffer, task % tiles * QueryTile, d);
        }));
    }

    static void ForwardTile(Head h, Buffer buffer, int first, Dims d)
    {
        int rows = Math.Min(QueryTile, d.Queries - first), last = d.Visible(first + rows - 1);
        float* o = h.O + ((long)first * d.Stride);
        new Span<float>(buffer.Max, rows).Fill(float.NegativeInfinity);
        new Span<float>(buffer.Sum, rows).Clear();
        for (int start = 0; start < last; start += KeyTile)
        {
            int columns = Scores(h, buffer, first, rows, start, d);
            for (int i = 0; i < rows; i++)
                Exponentials(buffer.Scores + ((long)i * KeyTile), columns, ref buffer.Max[i], ref buffer.Sum[i], o + ((long)i * d.Stride), start > 0 ? d.D : 0);
            int keys = Math.Min(KeyTile, d.Keys - start);
            Tile.Multiply(rows, d.D, keys, buffer.Scores, KeyTile, 1, h.V + ((long)start * d.Stride), d.Stride, o, d.Stride, start > 0);
        }

        for (int i = 0; i < rows; i++)
        {
            float reciprocal = buffer.Sum[i] > 0 ? 1 / buffer.Sum[i] : 0;
            if (last > 0)
                Tile.Scale(o + ((long)i * d.Stride), d.D, reciprocal);
            else
                new Span<float>(o + ((long)i * d.Stride), d.D).Clear();
            float* stats = h.Stats + (2L * (first + i));
            stats[0] = buffer.Sum[i] > 0 ? buffer.Max[i] : 0;
            stats[1] = reciprocal;
        }
    }

    // Scaled, biased, masked scores of a tile; unseen keys and the columns up to a whole register get −∞. Returns the columns so filled.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static int Scores(Head h, Buffer buffer, int first, int rows, int start, Dims d)
    {
        int keys = Math.Min(KeyTile, d.Keys - start), columns = Tiles(keys, Wide.Count) * Wide.Count;
        Tile.Transpose(h.K + ((long)start * d.Stride), d.Stride, keys, d.D, d.Scale, buffer.Keys, columns);
        Tile.Multiply(rows, columns, d.D, h.Q + ((long)first * d.Stride), d.Stride, 1, buffer.Keys, columns, buffer.Scores, KeyTile, add: false);
        for (int i = 0; i < rows; i++)
        {
            float* s = buffer.Scores + ((long)i * KeyTile);
            if (h.Bias is not null)
            {
                float* bias = h.Bias + ((long)(first + i) * d.Keys) + start;
                for (int j = 0; j < keys; j++)
                    s[j] += bias[j];
            }

            int seen = Math.Clamp(d.Visible(first + i) - start, 0, keys);
            new Span<float>(s + seen, columns - seen).Fill(float.NegativeInfinity);
        }

        return columns;
    }

    // One row of online softmax: s becomes exp(s − max); where the maximum moved, sum and the `d` outputs so far shrink with it.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Exponentials(float* s, int columns, ref float max, ref float sum, float* o, int d)
    {
        Wide largest = Wide.Load(s);
        for (int j = Wide.Count; j < columns; j += Wide.Count)
            largest = Wide.Max(largest, Wide.Load(s + j));
        float next = MathF.Max(max, largest.Largest());
        if (next > max && sum > 0)
        {
            float shrink = MathF.Exp(max - next);
            sum *= shrink;
            Tile.Scale(o, d, shrink);
        }

        max = next;
        Wide shift = Wide.All(float.IsNegativeInfinity(next) ? 0 : next), total = Wide.All(0);
        for (int j = 0; j < columns; j += Wide.Count)
        {
            Wide p = Wide.Exp(Wide.Load(s + j) - shift);
            total += p;
            p.Store(s + j);
        }

        sum += total.Sum();
    }

    static void CpuBackward(
        CpuPool cpu,
        ArrayView<float> q,
        ArrayView<float> key,
        ArrayView<float> v,
        ArrayView<float> bias,
        ArrayView<float> o,
        ArrayView<float> stats,
        ArrayView<float> dOut,
        ArrayView<float> delta,
        ArrayView<float> dq,
        ArrayView<float> dk,
        ArrayView<float> dv,
        Dims d)
    {
        float* pq = q.Pointer(), pk = key.Pointer(), pv = v.Pointer(), pbias = d.Biased != 0 ? bias.Pointer() : null, po = o.Pointer(), ps = stats.Pointer();
        float* pdo = dOut.Pointer(), pdelta = delta.Pointer();
        float* pdq = dq.Length > 0 ? dq.Pointer() : null, pdk = dk.Length > 0 ? dk.Pointer() : null, pdv = dv.Length > 0 ? dv.Pointer() : null;
        int heads = d.B * d.Heads, queryTiles = Tiles(d.Queries, QueryTile), keyTiles = Tiles(d.Keys, KeyTile);

        Gradients Of(int index, bool queries, bool keys)
        {
            int b = index / d.Heads, head = index % d.Heads;
            return new(
                new(pq, pk, pv, pbias, po, ps, d, b, head),
                pdo + d.Start(b, head, d.Queries),
                pdelta + ((long)index * d.Queries),
                queries && pdq is not null ? pdq + d.Start(b, head, d.Queries) : null,
                keys && pdk is not null ? pdk + d.Start(b, head, d.Keys) : null,
                keys && pdk is not null ? pdv + d.Start(b, head, d.Keys) : null);
        }

        if (heads >= HeadsToShareOut || queryTiles * keyTiles == 1)
        {
            cpu.For(heads, index => WithBuffer(d.D, buffer =>
            {
                Gradients g = Of(index, queries: true, keys: true);
                Deltas(g, 0, d.Queries, d);
                BackwardTiles(g, buffer, (0, queryTiles), (0, keyTiles), d);
            }));
            return;
        }

        cpu.For(heads * queryTiles, task =>
        {
            int first = task % queryTiles * QueryTile;
            Deltas(Of(task / queryTiles, false, false), first, Math.Min(first + QueryTile, d.Queries), d);
        });
        if (pdq is not null)
        {
            cpu.For(heads * queryTiles, task => WithBuffer(d.D, buffer =>
                BackwardTiles(Of(task / queryTiles, true, false), buffer, (task % queryTiles, (task % queryTiles) + 1), (0, keyTiles), d)));
        }

        if (pdk is not null)
        {
            cpu.For(heads * keyTiles, task => WithBuffer(d.D, buffer =>
                BackwardTiles(Of(task / keyTiles, false, true), buffer, (0, queryTiles), (task % keyTiles, (task % keyTiles) + 1), d)));
        }
    }

    /// Pointers of the gradients of one head of one sample; dq, or dk and dv, are null where this task does not compute them.
    readonly struct Gradients(Head head, float* dOut, float* delta, float* dq, float* dk, float* dv)
    {
        public readonly Head Head = head;
        public readonly float* DOut = dOut, Delta = delta, Dq = dq, Dk = dk, Dv = dv;
    }

    static void Deltas(Gradients g, int first, int last, Dims d)
    {
        for (int i = first; i < last; i++)
            g.Delta[i] = Tile.Dot(g.Head.O + ((long)i * d.Stride), g.DOut + ((long)i * d.Stride), d.D);
    }

    static void BackwardTiles(Gradients g, Buffer buffer, (int First, int End) queryTiles, (int First, int End) keyTiles, Dims d)
    {
        Head h = g.Head;
        for (int keyTile = keyTiles.First; keyTile < keyTiles.End; keyTile++)
        {
            int start = keyTile * KeyTile, keys = Math.Min(KeyTile, d.Keys - start), columns = Tiles(keys, Wide.Count) * Wide.Count;
            long keyAt = (long)start * d.Stride;
            Tile.Transpose(h.V + keyAt, d.Stride, keys, d.D, 1, buffer.Values, columns);
            for (int queryTile = queryTiles.First; queryTile < queryTiles.End; queryTile++)
            {
                int first = queryTile * QueryTile, rows = Math.Min(QueryTile, d.Queries - first);
                long queryAt = (long)first * d.Stride;
                bool addKeys = queryTile > 0, addQueries = keyTile > 0;
                Scores(h, buffer, first, rows, start, d);
                Tile.Multiply(rows, columns, d.D, g.DOut + queryAt, d.Stride, 1, buffer.Values, columns, buffer.Gradients, KeyTile, add: false);
                for (int i = 0; i < rows; i++)
                    ScoreGradients(buffer.Scores + ((long)i * KeyTile), buffer.Gradients + ((long)i * KeyTile), columns, h.Stats + (2L * (first + i)), g.Delta[first + i], d.Scale);
                if (g.Dk is not null)
                {
                    Tile.Multiply(keys, d.D, rows, buffer.Scores, 1, KeyTile, g.DOut + queryAt, d.Stride, g.Dv + keyAt, d.Stride, addKeys);
                    Tile.Multiply(keys, d.D, rows, buffer.Gradients, 1, KeyTile, h.Q + queryAt, d.Stride, g.Dk + keyAt, d.Stride, addKeys);
                }

                if (g.Dq is not null)
                    Tile.Multiply(rows, d.D, keys, buffer.Gradients, KeyTile, 1, h.K + keyAt, d.Stride, g.Dq + queryAt, d.Stride, addQueries);
            }
        }
    }

    // s becomes P, dp becomes scale·ds.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void ScoreGradients(float* s, float* dp, int columns, float* stats, float delta, float scale)
    {
        Wide max = Wide.All(stats[0]), reciprocal = Wide.All(stats[1]), deltas = Wide.All(delta), scales = Wide.All(scale);
        for (int j = 0; j < columns; j += Wide.Count)
        {
            Wide p = Wide.Exp(Wide.Load(s + j) - max) * reciprocal;
            p.Store(s + j);
            (p * (Wide.Load(dp + j) - deltas) * scales).Store(dp + j);
        }
    }
}
