using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Ops;

/// The same elements under another shape: no kernel, the memory is shared in both directions.
public static class Reshape
{
    public static Tensor Forward(Tape tape, Tensor x, Shape shape)
    {
        Tensor y = x.As(shape);
        tape.Record(y, [x], dy => tape.Accumulate(x, dy.As(x.Shape)));
        return y;
    }
}
