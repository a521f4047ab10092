using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Nn;

/// A table of V rows of D numbers, looked up by id.
public sealed class Embedding(WeightScope w, int count, int features) : IDisposable
{
    readonly Parameter weight = w.Get("weight", [count, features], Init.Embedding);
    DeviceBuffer? memory;
    Tensor? appended;

    public Parameter Weight => weight;

    /// Rows (n, D) that stand for n ids while they are set, whether the table has these ids or not: what textual inversion trains.
    public (IReadOnlyList<int> Ids, Tensor Rows)? Learned { get; set; }

    /// Puts rows after the table's own, which stays as it is; what textual inversion learned.   rows: (n, D)   returns the first one's id
    public int Append(Device device, ReadOnlySpan<float> rows)
    {
        if (rows.Length % features != 0)
            throw new ArgumentException($"{rows.Length} numbers are no rows of {features}");
        float[] before = appended?.ToArray() ?? [];
        memory?.Dispose();
        int total = before.Length + rows.Length;
        memory = device.Allocate(total * sizeof(float), $"{weight.Name}, appended");
        appended = memory.Tensor(0, [total / features, features]);
        appended.CopyFrom([.. before, .. rows]);
        return count + (before.Length / features);
    }

    /// ids: `shape` of them   returns (shape…, D)   Errors: an id outside the table, its appended and its learned rows.
    public Tensor Forward(Tape tape, ReadOnlySpan<int> ids, Shape shape)
    {
        int all = count + (appended?.Shape[0] ?? 0);
        List<int>[] wanted = [[], [], []];
        (int Table, int At)[] places = new (int, int)[ids.Length];
        for (int i = 0; i < ids.Length; i++)
        {
            int id = ids[i], learned = Learned is { } l ? IndexOf(l.Ids, id) : -1;
            if (learned < 0 && (uint)id >= (uint)all)
                throw new IlgdException($"{weight.Name}: id {id} is outside 0 to {all - 1}; is the tokenizer that of this model?");
            (int table, int row) = learned >= 0 ? (2, learned) : id >= count ? (1, id - count) : (0, id);
            places[i] = (table, wanted[table].Count);
            wanted[table].Add(row);
        }

        return wanted[1].Count + wanted[2].Count == 0 ? Ops.TokenEmbedding.Forward(tape, ids, shape, weight) : FromAll(tape, wanted, places, shape);
    }

    // What each table has to give, one after the other, then in the order asked for.
    Tensor FromAll(Tape tape, List<int>[] wanted, (int Table, int At)[] places, Shape shape)
    {
        Tensor?[] tables = [weight, appended, Learned?.Rows];
        Tensor? rows = null;
        int[] starts = new int[tables.Length];
        for (int t = 0; t < tables.Length; t++)
        {
            starts[t] = rows?.Shape[0] ?? 0;
            if (wanted[t].Count == 0)
                continue;
            Tensor part = Ops.TokenEmbedding.Forward(tape, [.. wanted[t]], [wanted[t].Count], tables[t]!);
            rows = rows is null ? part : Ops.Concat.Forward(tape, rows, part, axis: 0);
        }

        return Ops.TokenEmbedding.Forward(tape, [.. places.Select(p => starts[p.Table] + p.At)], shape, rows!);
    }

    static int IndexOf(IReadOnlyList<int> ids, int id)
    {
        for (int i = 0; i < ids.Count; i++)
        {
            if (ids[i] == id)
                return i;
        }

        return -1;
    }

    public void Dispose() => memory?.Dispose();
}
