using ILGPU;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Elementwise.AddChannels;

namespace IlgpuDiffusion.Ops;

/// y[b, t] = x[b, t] + table[t]: x (B, T, D), table (T₀ ≥ T, D). The position embedding; the table is a parameter. Keeps nothing.
public static class AddRows
{
    public static Tensor Forward(Tape tape, Tensor x, Tensor table)
    {
        if (x.Shape.Rank != 3 || table.Shape.Rank != 2 || table.Shape[1] != x.Shape[2] || table.Shape[0] < x.Shape[1])
            throw new ArgumentException($"AddRows: {table.Shape} has no row for each token of {x.Shape}");
        // A sample's tokens lie in one run, so all samples together are B rows, to each of which the same run of the table is added.
        int b = x.Shape[0], width = x.Shape[1] * x.Shape[2];
        Tensor y = tape.New(x.Shape);
        Kernel.Forward(tape.Kernels, x.View, table.View, y.View, b, width);
        tape.Record(y, [x, table], dy =>
        {
            tape.Accumulate(x, dy);
            if (table.RequiresGrad)
                ColumnSum.Forward(tape.Kernels, dy.View, tape.GradOf(table).View.SubView(0, width), 1, b, width, accumulate: true);
        });
        return y;
    }
}
