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

    /// Puts rows after the table's own, which stays as it is; what textual inversion learned.   rows: (n, D)   returns the first one's id
    public int Append(Device device, ReadOnlySpan<float> rows)
    {
        if (rows.Length % features != 0)
            throw new ArgumentException($"{rows.Length} numbers are no rows of {features}");
        float[] before = appended?.ToArray() ?? [];
        memory?.Dispose();
        int total = before.Length + rows.Length;
        memory = device.Allocate(total * sizeof(float), $"{weight.Name}, appended");
        appended = new Tensor(memory.View<float>(0, total), [total / features, features]);
        appended.CopyFrom([.. before, .. rows]);
        return count + (before.Length / features);
    }

    /// ids: `shape` of them   returns (shape…, D)   Errors: an id outside the table and its appended rows.
    public Tensor Forward(Tape tape, ReadOnlySpan<int> ids, Shape shape)
    {
        int all = count + (appended?.Shape[0] ?? 0);
        foreach (int id in ids)
        {
            if ((uint)id >= (uint)all)
                throw new IlgdException($"{weight.Name}: id {id} is outside 0 to {all - 1}; is the tokenizer that of this model?");
        }

        return appended is { } rows && ids.ContainsAnyInRange(count, all) ? FromBoth(tape, ids, shape, rows) : Ops.TokenEmbedding.Forward(tape, ids, shape, weight);
    }

    // What each table has to give, one after the other, then in the order asked for.
    Tensor FromBoth(Tape tape, ReadOnlySpan<int> ids, Shape shape, Tensor rows)
    {
        List<int> own = [], more = [];
        int[] order = new int[ids.Length];
        foreach (int id in ids)
            (id < count ? own : more).Add(id < count ? id : id - count);
        for (int i = 0, ownAt = 0, moreAt = own.Count; i < ids.Length; i++)
            order[i] = ids[i] < count ? ownAt++ : moreAt++;
        Tensor learned = Ops.TokenEmbedding.Forward(tape, [.. more], [more.Count], rows);
        Tensor both = own.Count == 0 ? learned : Ops.Concat.Forward(tape, Ops.TokenEmbedding.Forward(tape, [.. own], [own.Count], weight), learned, axis: 0);
        return Ops.TokenEmbedding.Forward(tape, order, shape, both);
    }

    public void Dispose() => memory?.Dispose();
}
