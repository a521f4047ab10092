using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Norm.GroupNorm;

namespace IlgpuDiffusion.Ops;

/// Group normalisation over channels-last x (B, …, C), weight and bias (C), optionally followed by SiLU in the same pass.
/// Keeps x and (B, 3, C) statistics.
public static class GroupNorm
{
    public static Tensor Forward(Tape tape, Tensor x, Tensor weight, Tensor bias, int groups, float eps, bool silu = false)
    {
        if (x.Shape.Rank < 2)
            throw new ArgumentException($"GroupNorm: {x.Shape} has no batch or no channels");
        int b = x.Shape[0], c = x.Shape[-1];
        if (groups < 1 || c % groups != 0)
            throw new ArgumentException($"GroupNorm: C = {c} is not divisible by G = {groups}");
        if (weight.Count != c || bias.Count != c)
            throw new ArgumentException($"GroupNorm: weight {weight.Shape} and bias {bias.Shape} against C = {c}");

        Kernel.Dims d = new(b, x.Count == 0 ? 0 : checked((int)(x.Count / b / c)), c, groups);
        Tensor y = tape.New(x.Shape), stats = tape.New([b, Kernel.Stats, c]);
        Tensor scratch = tape.New([checked((int)Kernel.ForwardScratch(tape.Kernels, d))]);
        Kernel.Forward(tape.Kernels, x.View, weight.View, bias.View, y.View, stats.View, scratch.View, d, eps, silu);
        tape.Record(y, [x, weight, bias], dy => Backward(tape, x, weight, bias, stats, dy, d, silu));
        return y;
    }

    static void Backward(Tape tape, Tensor x, Tensor weight, Tensor bias, Tensor stats, Tensor dy, Kernel.Dims d, bool silu)
    {
        Tensor scratch = tape.New([checked((int)Kernel.BackwardScratch(tape.Kernels, d))]);
        Tensor? dx = x.RequiresGrad ? tape.New(x.Shape) : null;
        Kernel.Backward(
            tape.Kernels,
            x.View,
            weight.View,
            bias.View,
            stats.View,
            dy.View,
            dx?.View ?? default,
            weight.RequiresGrad ? tape.GradOf(weight).View : default,
            bias.RequiresGrad ? tape.GradOf(bias).View : default,
            scratch.View,
            d,
            silu);
        if (dx is not null)
            tape.Accumulate(x, dx);
    }
}
