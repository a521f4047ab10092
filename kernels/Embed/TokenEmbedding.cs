using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Embed;

/// Token embedding:  y[n] = table[ids[n]].   Backward:  dTable[ids[n]] += dy[n], where ids may repeat.
/// Positions are grouped by id on the host, so that each row of the table is added to by one task, in the order of the positions.
public static class TokenEmbedding
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(ReadOnlySpan<int> ids, ReadOnlySpan<float> table, Span<float> y, int d)   // (N), (V, D), (N, D)
        {
            for (int n = 0; n < ids.Length; n++)
                table.Slice(ids[n] * d, d).CopyTo(y.Slice(n * d, d));
        }

        public static void Backward(ReadOnlySpan<int> ids, ReadOnlySpan<float> dy, Span<float> dTable, int d)
        {
            for (int n = 0; n < ids.Length; n++)
            {
                for (int i = 0; i < d; i++)
                    dTable[(ids[n] * d) + i] += dy[(n * d) + i];
            }
        }
    }

    /// Positions sorted by id, and where each distinct id starts among them (one more entry at the end).
    public static (int[] Positions, int[] Starts) Group(ReadOnlySpan<int> ids)
    {
        int[] positions = new int[ids.Length], keys = ids.ToArray();
        for (int n = 0; n < ids.Length; n++)
            positions[n] = n;
        int[] sorted = [.. positions.OrderBy(n => keys[n])];
        List<int> starts = [];
        for (int n = 0; n < sorted.Length; n++)
        {
            if (n == 0 || keys[sorted[n]] != keys[sorted[n - 1]])
                starts.Add(n);
        }

        starts.Add(sorted.Length);
        return (sorted, [.. starts]);
    }

    // ---- kernels -----------------------------------------------------------------------------------
    static void ForwardKernel(Index1D i, ArrayView<int> ids, ArrayView<float> table, ArrayView<float> y, int d) =>
        y[i] = table[((long)ids[i / d] * d) + (i % d)];

    // One thread per (distinct id, column).
    static void BackwardKernel(
        Index1D i, ArrayView<int> ids, ArrayView<int> positions, ArrayView<int> starts, ArrayView<float> dy, ArrayView<float> dTable, int d)
    {
        int group = i / d, column = i % d;
        float sum = 0;
        for (int n = starts[group]; n < starts[group + 1]; n++)
            sum += dy[((long)positions[n] * d) + column];
        dTable[((long)ids[positions[starts[group]]] * d) + column] += sum;
    }

    // ---- launchers ---------------------------------------------------------------------------------
    public static unsafe void Forward(KernelContext k, ArrayView<int> ids, ArrayView<float> table, ArrayView<float> y, int d)
    {
        using LaunchScope launch = k.Scope("TokenEmbedding.Forward", (ids.Length, d), Work.Of(0, (2 * y.Length) + ids.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(ForwardKernel, y.Length, ids, table, y, d);
            return;
        }

        int* pi = ids.Pointer();
        float* pt = table.Pointer(), py = y.Pointer();
        cpu.Range(ids.Length, Grain.Rows(d), (begin, end) =>
        {
            for (long n = begin; n < end; n++)
                new ReadOnlySpan<float>(pt + ((long)pi[n] * d), d).CopyTo(new Span<float>(py + (n * d), d));
        });
    }

    public static unsafe void Backward(
        KernelContext k,
        ArrayView<int> ids,         // (N)
        ArrayView<int> positions,   // (N), from Group
        ArrayView<int> starts,      // (distinct ids + 1), from Group
        ArrayView<float> dy,        // (N, D)
        ArrayView<float> dTable,    // (V, D), added to
        int d)
    {
        using LaunchScope launch = k.Scope("TokenEmbedding.Backward", (ids.Length, d), Work.Of(dy.Length, dy.Length + (2 * (starts.Length - 1) * d) + ids.Length));
        long groups = starts.Length - 1;
        if (k.Cpu is not { } cpu)
        {
            k.Launch(BackwardKernel, groups * d, ids, positions, starts, dy, dTable, d);
            return;
        }

        int* pi = ids.Pointer(), pp = positions.Pointer(), ps = starts.Pointer();
        float* pdy = dy.Pointer(), pt = dTable.Pointer();
        cpu.Range(groups, Grain.Rows(d), (begin, end) =>
        {
            for (long group = begin; group < end; group++)
            {
                Span<float> row = new(pt + ((long)pi[pp[ps[group]]] * d), d);
                for (int n = ps[group]; n < ps[group + 1]; n++)
                    System.Numerics.Tensors.TensorPrimitives.Add(row, new ReadOnlySpan<float>(pdy + ((long)pp[n] * d), d), row);
            }
        });
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("N=20 V=12 D=16")]
    internal static void ForwardTrial(Trial t)
    {
        Ints ids = t.Below(t["V"], t["N"]);
        Floats table = t.Normal((long)t["V"] * t["D"]), y = t.Result((long)t["N"] * t["D"], Trial.Exact);
        t.Run(() => Forward(t.Kernels, ids, table, y, t["D"]), () => Reference.Forward(ids, table, y, t["D"]));
    }

    [Trial("N=20 V=12 D=16")]
    internal static void BackwardTrial(Trial t)
    {
        Ints ids = t.Below(t["V"], t["N"]);
        (int[] order, int[] groups) = Group(ids.Host);
        Ints positions = t.Ints(order), starts = t.Ints(groups);
        Floats dy = t.Normal((long)t["N"] * t["D"]), dTable = t.Changed((long)t["V"] * t["D"], Trial.SumOf(t["N"]));
        t.Run(() => Backward(t.Kernels, ids, positions, starts, dy, dTable, t["D"]), () => Reference.Backward(ids, dy, dTable, t["D"]));
    }
}
