using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Elementwise.Subtract;

namespace IlgpuDiffusion.Ops;

/// y = a − b, equal shapes. Keeps nothing.
public static class Subtract
{
    public static Tensor Forward(Tape tape, Tensor a, Tensor b)
    {
        if (a.Shape != b.Shape)
            throw new ArgumentException($"Subtract: {a.Shape} and {b.Shape} differ");
        Tensor y = tape.New(a.Shape);
        Kernel.Forward(tape.Kernels, a.View, b.View, y.View);
        tape.Record(y, [a, b], dy =>
        {
            tape.Accumulate(a, dy);
            if (!b.RequiresGrad)
                return;
            Tensor db = tape.New(b.Shape);
            Kernels.Elementwise.Scale.Forward(tape.Kernels, dy.View, -1, db.View);
            tape.Accumulate(b, db);
        });
        return y;
    }
}
