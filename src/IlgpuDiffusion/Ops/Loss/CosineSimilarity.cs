using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Loss.CosineSimilarity;

namespace IlgpuDiffusion.Ops;

/// Cosine of the angle between the rows of a and b, norms of at least 1e-8 as in torch: (…, D), (…, D) to (…). Keeps a and b.
public static class CosineSimilarity
{
    public static Tensor Forward(Tape tape, Tensor a, Tensor b)
    {
        if (a.Shape != b.Shape || a.Shape.Rank == 0)
            throw new ArgumentException($"CosineSimilarity: {a.Shape} and {b.Shape} are not rows of equal shape");
        int d = a.Shape[-1];
        Tensor y = tape.New(Shape.Create(a.Shape.Dims[..^1]));
        Kernel.Forward(tape.Kernels, a.View, b.View, y.View, d);
        tape.Record(y, [a, b], dy =>
        {
            Backward(a, b, dy);
            Backward(b, a, dy);
        });
        return y;

        void Backward(Tensor of, Tensor other, Tensor dy)
        {
            if (!of.RequiresGrad)
                return;
            Tensor gradient = tape.New(of.Shape);
            Kernel.Backward(tape.Kernels, of.View, other.View, dy.View, gradient.View, d);
            tape.Accumulate(of, gradient);
        }
    }
}
