using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Elementwise.Add;

namespace IlgpuDiffusion.Ops;

/// y = a + b, equal shapes: the residual connection. Both inputs receive the same gradient buffer.
public static class Add
{
    public static Tensor Forward(Tape tape, Tensor a, Tensor b)
    {
        if (a.Shape != b.Shape)
            throw new ArgumentException($"Add: {a.Shape} and {b.Shape} differ");
        Tensor y = tape.New(a.Shape);
        Kernel.Forward(tape.Kernels, a.View, b.View, y.View);
        tape.Record(y, [a, b], dy =>
        {
            tape.Accumulate(a, dy);
            tape.Accumulate(b, dy);
        });
        return y;
    }
}
