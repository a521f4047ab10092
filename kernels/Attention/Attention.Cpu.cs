using System.Runtime.CompilerServices;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.MatMul.Cpu;

namespace IlgpuDiffusion.Kernels.Attention;

/// The `cpu` version. A task owns a block of queries of one head and streams over tiles of keys, which it packs for the matrix product's micro-kernels;
/// scores exist for one strip of queries and one tile of keys at a time, in a buffer that stays in the first-level cache.
public static unsafe partial class Attention
{
    // A block is long enough for the packing of keys and values to be a few per cent. All three are multiples of every micro-kernel's rows and a tile of its
    // columns too: what is stored in whole steps beyond the last row or column then falls on padding.
    const int QueryBlock = 192, Strip = 48, KeyTile = 96;

    // With fewer heads in the batch than this, the backward pass shares out blocks of queries (for dq) and blocks of keys (for dk, dv) and
    // recomputes the scores for each: 7 products in place of 5, but work for more threads.
    const int HeadsToShareOut = 8;

    /// Pointers of one head of one sample.
    readonly struct Head(float* q, float* k, float* v, float* bias, float* o, float* stats, Dims d, int b, int head)
    {
        public readonly float* Q = q + d.Start(b, head, d.Queries), K = k + d.Start(b, head, d.Keys), V = v + d.Start(b, head, d.Keys);
        public readonly float* O = o + d.Start(b, head, d.Queries), Stats = stats + (2L * ((b * d.Heads) + head) * d.Queries);
        public readonly float* Bias = d.Biased != 0 ? bias + d.BiasStart(b, head) : null;
    }

    /// A thread's scratch, handed out piece by piece, each on a cache line of its own.
    struct Pieces(float* memory)
    {
        float* next = memory;

        public float* Take(int length)
        {
            float* piece = next;
            next += Padded(length);
            return piece;
        }

        public static int Padded(int length) => GemmPlan.RoundUp(length, 16);
    }

    internal static void CpuForward(
        CpuPool cpu,
        ArrayView<float> q,
        ArrayView<float> key,
        ArrayView<float> v,
        ArrayView<float> bias,
        ArrayView<float> o,
        ArrayView<float> stats,
        Dims d,
        CpuIsa isa)
    {
        float* pq = q.Pointer(), pk = key.Pointer(), pv = v.Pointer(), pbias = d.Biased != 0 ? bias.Pointer() : null, po = o.Pointer(), ps = stats.Pointer();
        int blocks = GemmPlan.CeilDiv(d.Queries, QueryBlock);
        cpu.For(d.B * d.Heads * blocks, task =>
        {
            int index = task / blocks;
            Head head = new(pq, pk, pv, pbias, po, ps, d, index / d.Heads, index % d.Heads);
            switch (isa)
            {
                case CpuIsa.Avx512:
                    ForwardBlock<Avx512Kernel>(head, task % blocks * QueryBlock, d);
                    break;
                case CpuIsa.Avx2:
                    ForwardBlock<Avx2Kernel>(head, task % blocks * QueryBlock, d);
                    break;
                default:
                    ForwardBlock<Vector128Kernel>(head, task % blocks * QueryBlock, d);
                    break;
            }
        });
    }

    static void ForwardBlock<TKernel>(Head h, int first, Dims d)
        where TKernel : struct, IMicroKernel
    {
        int rows = Math.Min(QueryBlock, d.Queries - first), last = d.Visible(first + rows - 1), width = Panels.RowLength<TKernel>(d.D);
        int queries = QueryBlock * d.D, keys = Panels.Length<TKernel>(d.D, KeyTile), values = Panels.Length<TKernel>(KeyTile, d.D);
        int padded = Pieces.Padded(queries) + Pieces.Padded(keys) + Pieces.Padded(values) + (Strip * KeyTile) + (QueryBlock * width) + (2 * QueryBlock);
        Pieces pieces = new(Scratch.OfThread.Get(Scratch.Slot.A, padded));
        float* q = pieces.Take(queries), k = pieces.Take(keys), v = pieces.Take(values), s = pieces.Take(Strip * KeyTile), o = pieces.Take(QueryBlock * width);
        float* max = pieces.Take(QueryBlock), sum = pieces.Take(QueryBlock);
        CopyRows(h.Q + ((long)first * d.Stride), d.Stride, rows, d.D, d.Scale, q);
        new Span<float>(o, rows * width).Clear();
        new Span<float>(max, rows).Fill(float.NegativeInfinity);
        new Span<float>(sum, rows).Clear();
        for (int start = 0; start < last; start += KeyTile)
        {
            int tile = Math.Min(KeyTile, d.Keys - start);
            Panels.PackTransposed<TKernel>(h.K + ((long)start * d.Stride), d.Stride, tile, d.D, 1, k);
            Panels.Pack<TKernel>(h.V + ((long)start * d.Stride), d.Stride, tile, d.D, v);
            for (int strip = 0; strip < rows; strip += Strip)
            {
                int count = Math.Min(Strip, rows - strip);
                if (start >= d.Visible(first + strip + count - 1))
                    continue;
                int columns = Scores<TKernel>(h, q + (strip * d.D), k, s, first + strip, count, start, tile, d);
                for (int i = 0; i < count; i++)
                    Exponentials(s + (i * KeyTile), columns, ref max[strip + i], ref sum[strip + i], o + ((strip + i) * width), width);
                Panels.Multiply<TKernel>(count, d.D, tile, s, KeyTile, 1, v, o + (strip * width), width, add: true);
            }
        }

        for (int i = 0; i < rows; i++)
        {
            float reciprocal = sum[i] > 0 ? 1 / sum[i] : 0;
            Tile.Scale(o + (i * width), d.D, reciprocal, h.O + ((long)(first + i) * d.Stride));
            float* stats = h.Stats + (2L * (first + i));
            stats[0] = sum[i] > 0 ? max[i] : 0;
            stats[1] = reciprocal;
        }
    }

    // Rows side by side, d floats each, scaled.
    static void CopyRows(float* from, int stride, int rows, int d, float scale, float* to)
    {
        for (int i = 0; i < rows; i++)
            Tile.Scale(from + ((long)i * stride), d, scale, to + (i * d));
    }

    // Biased, masked scores of a strip on a tile; unseen keys and the columns up to a whole register get −∞. Returns the columns so filled.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static int Scores<TKernel>(Head h, float* q, float* keys, float* scores, int first, int rows, int start, int tile, Dims d)
        where TKernel : struct, IMicroKernel
    {
        int columns = GemmPlan.RoundUp(tile, Wide.Count);
        Panels.Multiply<TKernel>(rows, tile, d.D, q, d.D, 1, keys, scores, KeyTile, add: false);
        for (int i = 0; i < rows; i++)
        {
            float* s = scores + (i * KeyTile);
            if (h.Bias is not null)
            {
                float* bias = h.Bias + ((long)(first + i) * d.Keys) + start;
                for (int j = 0; j < tile; j++)
                    s[j] += bias[j];
            }

            int seen = Math.Clamp(d.Visible(first + i) - start, 0, tile);
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
            Tile.Scale(o, d, shrink, o);
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

    internal static void CpuBackward(
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
        Dims d,
        CpuIsa isa)
    {
        float* pq = q.Pointer(), pk = key.Pointer(), pv = v.Pointer(), pbias = d.Biased != 0 ? bias.Pointer() : null, po = o.Pointer(), ps = stats.Pointer();
        float* pdo = dOut.Pointer(), pdelta = delta.Pointer();
        float* pdq = dq.Length > 0 ? dq.Pointer() : null, pdk = dk.Length > 0 ? dk.Pointer() : null, pdv = dv.Length > 0 ? dv.Pointer() : null;
        int heads = d.B * d.Heads;

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

        cpu.For(heads, index =>
        {
            Gradients g = Of(index, false, false);
            for (int i = 0; i < d.Queries; i++)
                g.Delta[i] = Tile.Dot(g.Head.O + ((long)i * d.Stride), g.DOut + ((long)i * d.Stride), d.D);
        });

        (int, int) allQueries = (0, d.Queries), allKeys = (0, d.Keys);
        if (heads >= HeadsToShareOut || (d.Queries <= QueryBlock && d.Keys <= QueryBlock))
        {
            cpu.For(heads, index => Backward(Of(index, queries: true, keys: true), allQueries, allKeys, d, isa));
            return;
        }

        if (pdq is not null)
        {
            int blocks = GemmPlan.CeilDiv(d.Queries, QueryBlock);
            cpu.For(heads * blocks, task => Backward(Of(task / blocks, true, false), Block(task % blocks, d.Queries), allKeys, d, isa));
        }

        if (pdk is not null)
        {
            int blocks = GemmPlan.CeilDiv(d.Keys, QueryBlock);
            cpu.For(heads * blocks, task => Backward(Of(task / blocks, false, true), allQueries, Block(task % blocks, d.Keys), d, isa));
        }
    }

    static (int First, int End) Block(int index, int length) => (index * QueryBlock, Math.Min((index + 1) * QueryBlock, length));

    /// Pointers of the gradients of one head of one sample; dq, or dk and dv, are null where this task does not compute them.
    readonly struct Gradients(Head head, float* dOut, float* delta, float* dq, float* dk, float* dv)
    {
        public readonly Head Head = head;
        public readonly float* DOut = dOut, Delta = delta, Dq = dq, Dk = dk, Dv = dv;
    }

    static void Backward(Gradients g, (int First, int End) queries, (int First, int End) keys, Dims d, CpuIsa isa)
    {
        switch (isa)
        {
            case CpuIsa.Avx512:
                BackwardBlocks<Avx512Kernel>(g, queries, keys, d);
                break;
            case CpuIsa.Avx2:
                BackwardBlocks<Avx2Kernel>(g, queries, keys, d);
                break;
            default:
                BackwardBlocks<Vector128Kernel>(g, queries, keys, d);
                break;
        }
    }

    // The gradients of `queries` summed over `keys`, and of `keys` summed over `queries`, as far as they are wanted: for each block of queries all tiles of keys.
    static void BackwardBlocks<TKernel>(Gradients g, (int First, int End) queries, (int First, int End) keys, Dims d)
        where TKernel : struct, IMicroKernel
    {
        Head h = g.Head;
        int width = Panels.RowLength<TKernel>(d.D), allKeys = GemmPlan.RoundUp(keys.End - keys.First, KeyTile);
        int block = QueryBlock * d.D, transposed = Panels.Length<TKernel>(d.D, KeyTile), rowsOfKeys = Panels.Length<TKernel>(KeyTile, d.D), rowsOfQueries = Panels.Length<TKernel>(QueryBlock, d.D);
        int scores = Strip * KeyTile, gradients = allKeys * width;
        long padded = (2 * Pieces.Padded(block)) + (2 * Pieces.Padded(transposed)) + Pieces.Padded(rowsOfKeys) + (2 * Pieces.Padded(rowsOfQueries)) + (2 * Pieces.Padded(scores))
            + Pieces.Padded(QueryBlock * width) + (2L * Pieces.Padded(gradients));
        Pieces pieces = new(Scratch.OfThread.Get(Scratch.Slot.A, padded));
        float* q = pieces.Take(block), dOut = pieces.Take(block);
        float* kT = pieces.Take(transposed), vT = pieces.Take(transposed), k = pieces.Take(rowsOfKeys);
        float* qPanels = pieces.Take(rowsOfQueries), dOutPanels = pieces.Take(rowsOfQueries);
        float* p = pieces.Take(scores), ds = pieces.Take(scores), dq = pieces.Take(QueryBlock * width), dk = pieces.Take(gradients), dv = pieces.Take(gradients);
        int panelRow = Panels.Length<TKernel>(1, d.D);
        if (g.Dk is not null)
        {
            new Span<float>(dk, gradients).Clear();
            new Span<float>(dv, gradients).Clear();
        }

        for (int first = queries.First; first < queries.End; first += QueryBlock)
        {
            int rows = Math.Min(QueryBlock, queries.End - first);
            long at = (long)first * d.Stride;
            CopyRows(h.Q + at, d.Stride, rows, d.D, d.Scale, q);
            CopyRows(g.DOut + at, d.Stride, rows, d.D, 1, dOut);
            for (int strip = 0; g.Dk is not null && strip < rows; strip += Strip)
            {
                int count = Math.Min(Strip, rows - strip);
                Panels.Pack<TKernel>(h.Q + at + ((long)strip * d.Stride), d.Stride, count, d.D, qPanels + (strip * panelRow));
                Panels.Pack<TKernel>(g.DOut + at + ((long)strip * d.Stride), d.Stride, count, d.D, dOutPanels + (strip * panelRow));
            }

            new Span<float>(dq, rows * width).Clear();
            for (int start = keys.First; start < Math.Min(keys.End, d.Visible(first + rows - 1)); start += KeyTile)
            {
                int tile = Math.Min(KeyTile, keys.End - start);
                float* keyRows = h.K + ((long)start * d.Stride);
                Panels.PackTransposed<TKernel>(keyRows, d.Stride, tile, d.D, 1, kT);
                Panels.PackTransposed<TKernel>(h.V + ((long)start * d.Stride), d.Stride, tile, d.D, 1, vT);
                if (g.Dq is not null)
                    Panels.Pack<TKernel>(keyRows, d.Stride, tile, d.D, k);
                for (int strip = 0; strip < rows; strip += Strip)
                {
                    int count = Math.Min(Strip, rows - strip);
                    if (start >= d.Visible(first + strip + count - 1))
                        continue;
                    int columns = Scores<TKernel>(h, q + (strip * d.D), kT, p, first + strip, count, start, tile, d);
                    Panels.Multiply<TKernel>(count, tile, d.D, dOut + (strip * d.D), d.D, 1, vT, ds, KeyTile, add: false);
                    for (int i = 0; i < count; i++)
                    {
                        int row = first + strip + i;
                        ScoreGradients(p + (i * KeyTile), ds + (i * KeyTile), columns, h.Stats + (2L * row), g.Delta[row], d.Scale);
                    }

                    if (g.Dk is not null)
                    {
                        int offset = (start - keys.First) * width;
                        Panels.Multiply<TKernel>(tile, d.D, count, p, 1, KeyTile, dOutPanels + (strip * panelRow), dv + offset, width, add: true);
                        Panels.Multiply<TKernel>(tile, d.D, count, ds, 1, KeyTile, qPanels + (strip * panelRow), dk + offset, width, add: true);
                    }

                    if (g.Dq is not null)
                        Panels.Multiply<TKernel>(count, d.D, tile, ds, KeyTile, 1, k, dq + (strip * width), width, add: true);
                }
            }

            for (int i = 0; g.Dq is not null && i < rows; i++)
                new ReadOnlySpan<float>(dq + (i * width), d.D).CopyTo(new Span<float>(g.Dq + at + ((long)i * d.Stride), d.D));
        }

        for (int j = keys.First; g.Dk is not null && j < keys.End; j++)
        {
            int from = (j - keys.First) * width;
            new ReadOnlySpan<float>(dk + from, d.D).CopyTo(new Span<float>(g.Dk + ((long)j * d.Stride), d.D));
            new ReadOnlySpan<float>(dv + from, d.D).CopyTo(new Span<float>(g.Dv + ((long)j * d.Stride), d.D));
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
