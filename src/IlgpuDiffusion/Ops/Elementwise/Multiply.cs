using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Elementwise.Multiply;

namespace IlgpuDiffusion.Ops;

/// y = a·b elementwise: equal shapes, or b (C) one factor a channel for a (…, C), and then parameter-like. Keeps a and b.
public static class Multiply
{
    public static Tensor Forward(Tape tape, Tensor a, Tensor b)
    {
        bool row = a.Shape != b.Shape;
        if (row && (b.Shape.Rank != 1 || a.Shape.Rank == 0 || b.Shape[0] != a.Shape[-1]))
            throw new ArgumentException($"Multiply: {b.Shape} is neither {a.Shape} nor one factor a channel of it");
        Tensor y = tape.New(a.Shape);
        Kernel.Forward(tape.Kernels, a.View, b.View, y.View);
        tape.Record(y, [a, b], dy =>
        {
            if (a.RequiresGrad)
                tape.Accumulate(a, Product(dy, b));
            if (b.RequiresGrad && row)
                Kernel.BackwardRow(tape.Kernels, a.View, dy.View, tape.GradOf(b).View);
            else if (b.RequiresGrad)
                tape.Accumulate(b, Product(dy, a));
        });
        return y;

        Tensor Product(Tensor dy, Tensor other)
        {
            Tensor d = tape.New(a.Shape);
            Kernel.Forward(tape.Kernels, dy.View, other.View, d.View);
            return d;
        }
    }
}
