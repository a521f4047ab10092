using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Norm.LayerNorm;

namespace IlgpuDiffusion.Ops;

/// Layer normalisation over the last axis of x (…, D), weight and bias (D). Keeps x and three statistics a row.
public static class LayerNorm
{
    public static Tensor Forward(Tape tape, Tensor x, Tensor weight, Tensor bias, float eps)
    {
        if (x.Shape.Rank < 1 || weight.Count != x.Shape[-1] || bias.Count != x.Shape[-1])
            throw new ArgumentException($"LayerNorm: weight {weight.Shape} and bias {bias.Shape} against rows of {x.Shape}");
        Tensor y = tape.New(x.Shape), stats = tape.New([checked((int)x.Shape.Rows), Kernel.Stats]);
        Kernel.Forward(tape.Kernels, x.View, weight.View, bias.View, y.View, stats.View, eps);
        tape.Record(y, [x, weight, bias], dy => Backward(tape, x, weight, bias, stats, dy));
        return y;
    }

    static void Backward(Tape tape, Tensor x, Tensor weight, Tensor bias, Tensor stats, Tensor dy)
    {
        Tensor scratch = tape.New([checked((int)Kernel.BackwardScratch(tape.Kernels, (int)x.Shape.Rows, x.Shape[-1]))]);
        Tensor? dx = x.RequiresGrad ? tape.New(x.Shape) : null;
        Kernel.Backward(
            tape.Kernels,
            x.View,
            weight.View,
            stats.View,
            dy.View,
            dx?.View ?? default,
            weight.RequiresGrad ? tape.GradOf(weight).View : default,
            bias.RequiresGrad ? tape.GradOf(bias).View : default,
            scratch.View);
        if (dx is not null)
            tape.Accumulate(x, dx);
    }
}
