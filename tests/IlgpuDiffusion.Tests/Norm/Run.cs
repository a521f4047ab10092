using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Tests.Norm;

/// A norm's output and gradients, on the host.
sealed record Run(float[] Y, float[] Dx, float[] DWeight, float[] DBias)
{
    public static Run GroupNorm(Arena arena, float[] x, Shape shape, float[] weight, float[] bias, float[] dy, int groups, float eps, bool silu) =>
        Of(arena, x, shape, weight, bias, dy, (tape, t, w, b) => Ops.GroupNorm.Forward(tape, t, w, b, groups, eps, silu));

    public static Run LayerNorm(Arena arena, float[] x, Shape shape, float[] weight, float[] bias, float[] dy, float eps) =>
        Of(arena, x, shape, weight, bias, dy, (tape, t, w, b) => Ops.LayerNorm.Forward(tape, t, w, b, eps));

    static Run Of(
        Arena arena, float[] x, Shape shape, float[] weight, float[] bias, float[] dy, Func<Tape, Tensor, Tensor, Tensor, Tensor> forward)
    {
        Tape tape = new(arena);
        Tensor input = tape.From(x, shape), w = tape.From(weight, [weight.Length]), b = tape.From(bias, [bias.Length]);
        input.RequiresGrad = w.RequiresGrad = b.RequiresGrad = true;
        Tensor y = forward(tape, input, w, b);
        tape.Backward(y, tape.From(dy, shape));
        return new Run(y.ToArray(), input.Grad!.ToArray(), w.Grad!.ToArray(), b.Grad!.ToArray());
    }
}
