using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Common.OrderedSum;

namespace IlgpuDiffusion.Ops;

/// The sum of all elements, a scalar. Keeps nothing.
public static class Sum
{
    public static Tensor Forward(Tape tape, Tensor x) => Scaled(tape, x, 1);

    internal static Tensor Scaled(Tape tape, Tensor x, float scale)
    {
        Tensor y = tape.New([]), partial = tape.New([(int)Kernel.Tiles(x.Count)]);
        Kernel.Forward(tape.Kernels, x.View, scale, partial.View, y.View);
        tape.Record(y, [x], dy =>
        {
            Tensor dx = tape.New(x.Shape);
            Kernel.Backward(tape.Kernels, dy.View, scale, dx.View);
            tape.Accumulate(x, dx);
        });
        return y;
    }
}
