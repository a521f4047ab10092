using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Ops;

/// An axis of a shape, seen as three: everything outside it, its extent, and everything inside it, which is contiguous.
readonly record struct Axis(int Index, int Outer, int Extent, int Inner)
{
    public static Axis Of(Shape shape, int axis, string op)
    {
        int index = axis < 0 ? shape.Rank + axis : axis;
        if (index < 0 || index >= shape.Rank)
            throw new ArgumentException($"{op}: {shape} has no axis {axis}");
        int outer = 1, inner = 1;
        for (int i = 0; i < index; i++)
            outer *= shape[i];
        for (int i = index + 1; i < shape.Rank; i++)
            inner *= shape[i];
        return new Axis(index, outer, shape[index], inner);
    }
}
