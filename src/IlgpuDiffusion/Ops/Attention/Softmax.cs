using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Attention.Softmax;

namespace IlgpuDiffusion.Ops;

/// Softmax over the last axis: y = exp(x) / Σ exp(x), safe for any finite x and for −∞. Keeps y.
public static class Softmax
{
    public static Tensor Forward(Tape tape, Tensor x) => Forward(tape, x, log: false);

    internal static Tensor Forward(Tape tape, Tensor x, bool log)
    {
        if (x.Shape.Rank == 0)
            throw new ArgumentException("softmax: a scalar has no last axis");
        Tensor y = tape.New(x.Shape);
        if (x.Count == 0)
            return y;
        Kernel.Forward(tape.Kernels, x.View, y.View, x.Shape[-1], log);
        tape.Record(y, [x], dy =>
        {
            Tensor dx = tape.New(x.Shape);
            Kernel.Backward(tape.Kernels, y.View, dy.View, dx.View, x.Shape[-1], log);
            tape.Accumulate(x, dx);
        });
        return y;
    }
}
