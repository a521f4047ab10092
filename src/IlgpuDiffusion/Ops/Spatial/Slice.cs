using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Kernels.Spatial;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Ops;

/// Elements start … start + length − 1 of one axis. Keeps nothing; the gradient outside the slice is zero.
public static class Slice
{
    public static Tensor Forward(Tape tape, Tensor x, int axis, int start, int length)
    {
        Axis of = Axis.Of(x.Shape, axis, "Slice");
        if (start < 0 || length < 0 || start > of.Extent - length)
            throw new ArgumentException($"Slice: {start} to {start + length} lies outside axis {axis} of {x.Shape}");
        int[] dims = x.Shape.Dims.ToArray();
        dims[of.Index] = length;
        Tensor y = tape.New(dims);
        int width = length * of.Inner;
        BlockLayout whole = new((long)start * of.Inner, 0, (long)of.Extent * of.Inner), part = new(0, 0, width);
        Blocks.Copy(tape.Kernels, x.View, whole, y.View, part, 1, of.Outer, width);
        tape.Record(y, [x], dy =>
        {
            Tensor dx = tape.Zeros(x.Shape);
            Blocks.Copy(tape.Kernels, dy.View, part, dx.View, whole, 1, of.Outer, width);
            tape.Accumulate(x, dx);
        });
        return y;
    }
}
