using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Kernels.Spatial;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Ops;

/// a and b side by side along an axis, by default the last: channels. Keeps nothing.
public static class Concat
{
    public static Tensor Forward(Tape tape, Tensor a, Tensor b, int axis = -1)
    {
        Axis of = Axis.Of(a.Shape, axis, "Concat");
        int[] dims = a.Shape.Dims.ToArray();
        dims[of.Index] = b.Shape.Rank == dims.Length ? b.Shape[of.Index] : 0;
        if (b.Shape != dims)
            throw new ArgumentException($"Concat: {a.Shape} and {b.Shape} differ beside axis {axis}");
        dims[of.Index] += of.Extent;
        Tensor y = tape.New(dims);
        int widthA = of.Extent * of.Inner, widthB = b.Shape[of.Index] * of.Inner, row = widthA + widthB;
        Blocks.Copy(tape.Kernels, a.View, new(0, 0, widthA), y.View, new(0, 0, row), 1, of.Outer, widthA);
        Blocks.Copy(tape.Kernels, b.View, new(0, 0, widthB), y.View, new(widthA, 0, row), 1, of.Outer, widthB);
        tape.Record(y, [a, b], dy =>
        {
            if (a.RequiresGrad)
                tape.Accumulate(a, Part(a.Shape, 0, widthA));
            if (b.RequiresGrad)
                tape.Accumulate(b, Part(b.Shape, widthA, widthB));

            Tensor Part(Shape shape, int start, int width)
            {
                Tensor d = tape.New(shape);
                Blocks.Copy(tape.Kernels, dy.View, new(start, 0, row), d.View, new(0, 0, width), 1, of.Outer, width);
                return d;
            }
        });
        return y;
    }
}
