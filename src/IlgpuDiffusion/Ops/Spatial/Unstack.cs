using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using AddKernel = IlgpuDiffusion.Kernels.Elementwise.Add;

namespace IlgpuDiffusion.Ops;

/// The N parts of (N, …) along the first axis, without a copy; their gradients are added into one buffer of x's shape.
public static class Unstack
{
    public static Tensor[] Forward(Tape tape, Tensor x)
    {
        if (x.Shape.Rank == 0)
            throw new ArgumentException("Unstack: a scalar has no first axis");
        Shape part = Shape.Create(x.Shape.Dims[1..]);
        Tensor[] parts = new Tensor[x.Shape[0]];
        for (int i = 0; i < parts.Length; i++)
        {
            long start = i * part.Count;
            Tensor y = x.Part(start, part);
            tape.Record(y, [x], dy => AddKernel.Accumulate(tape.Kernels, dy.View, tape.GradOf(x).View.SubView(start, part.Count)));
            parts[i] = y;
        }

        return parts;
    }
}
