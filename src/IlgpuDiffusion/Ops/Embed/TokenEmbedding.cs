using ILGPU;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Embed.TokenEmbedding;

namespace IlgpuDiffusion.Ops;

/// Rows of a table (V, D) by id: y (…ids' shape, D). The table's gradient is a scatter-add in a fixed order.
public static class TokenEmbedding
{
    public static Tensor Forward(Tape tape, ReadOnlySpan<int> ids, Shape idShape, Tensor table)
    {
        if (table.Shape.Rank != 2)
            throw new ArgumentException($"TokenEmbedding: the table is {table.Shape}, not (V, D)");
        if (ids.Length != idShape.Count)
            throw new ArgumentException($"TokenEmbedding: {ids.Length} ids for shape {idShape}");
        int rows = table.Shape[0], d = table.Shape[1];
        foreach (int id in ids)
        {
            if (id < 0 || id >= rows)
                throw new ArgumentException($"TokenEmbedding: id {id} outside a table of {rows} rows");
        }

        Tensor y = tape.New([.. idShape.Dims, d]);
        ArrayView<int> deviceIds = tape.Ints(ids);
        Kernel.Forward(tape.Kernels, deviceIds, table.View, y.View, d);
        if (!table.RequiresGrad || ids.Length == 0)
            return y;
        (int[] positions, int[] starts) = Kernel.Group(ids);
        tape.Record(y, [table], dy => Kernel.Backward(
            tape.Kernels, deviceIds, tape.Ints(positions), tape.Ints(starts), dy.View, tape.GradOf(table).View, d));
        return y;
    }
}
