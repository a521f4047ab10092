using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Kernels.Spatial;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Spatial.Permute;

namespace IlgpuDiffusion.Ops;

/// The axes in another order: axis n of the result is axis order[n] of x, as in torch. Up to five axes. Keeps nothing.
public static class Permute
{
    public static Tensor Forward(Tape tape, Tensor x, params ReadOnlySpan<int> order)
    {
        if (x.Shape.Rank > PermuteLayout.MaxRank)
            throw new ArgumentException($"Permute: {x.Shape} has more than {PermuteLayout.MaxRank} axes");
        int[] inverse = new int[x.Shape.Rank];
        Array.Fill(inverse, -1);
        for (int n = 0; n < order.Length; n++)
        {
            if (order[n] >= 0 && order[n] < inverse.Length)
                inverse[order[n]] = n;
        }

        if (order.Length != inverse.Length || inverse.Contains(-1))
            throw new ArgumentException($"Permute: [{string.Join(", ", order.ToArray())}] is not an order of the axes of {x.Shape}");
        int[] dims = new int[order.Length];
        for (int n = 0; n < dims.Length; n++)
            dims[n] = x.Shape[order[n]];
        Tensor y = tape.New(dims);
        Kernel.Forward(tape.Kernels, x.View, y.View, PermuteLayout.Of(x.Shape.Dims, order));
        tape.Record(y, [x], dy =>
        {
            Tensor dx = tape.New(x.Shape);
            Kernel.Forward(tape.Kernels, dy.View, dx.View, PermuteLayout.Of(dy.Shape.Dims, inverse));
            tape.Accumulate(x, dx);
        });
        return y;
    }
}
