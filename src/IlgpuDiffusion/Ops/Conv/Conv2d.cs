using ILGPU;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Kernels.Conv;
using IlgpuDiffusion.Kernels.MatMul;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Conv.Conv2d;

namespace IlgpuDiffusion.Ops;

/// Zeros added around an image, in pixels, each side on its own.
public readonly record struct Padding(int Left, int Right, int Top, int Bottom)
{
    public static Padding Same(int p) => new(p, p, p, p);
}

/// Convolution over channels-last images: x (B,H,W,C), weight (O,kh,kw,C), bias (O) or null, residual (B,H',W',O) or null, which is added;
/// returns (B,H',W',O). Keeps x.
public static class Conv2d
{
    public static Tensor Forward(Tape tape, Tensor x, Tensor weight, Tensor? bias, int stride = 1, int padding = 0) =>
        Forward(tape, x, weight, bias, stride, Padding.Same(padding));

    public static Tensor Forward(Tape tape, Tensor x, Tensor weight, Tensor? bias, int stride, Padding padding, Tensor? residual = null)
    {
        Conv2dShape s = ShapeOf(x.Shape, weight.Shape, stride, padding);
        if (bias is not null && bias.Count != s.O)
            throw new ArgumentException($"Conv2d: bias {bias.Shape} does not fit the weight {weight.Shape}");
        Tensor y = tape.New([s.B, s.OutH, s.OutW, s.O]);
        Linear.CheckResidual("Conv2d", residual, y);
        ForwardInto(tape, x, weight, bias, y, s, residual);
        tape.Record(y, [x, weight, bias, residual], dy =>
        {
            tape.AccumulateResidual(residual, dy);
            Backward(tape, x, weight, bias, dy, s);
        });
        return y;
    }

    internal static Conv2dShape ShapeOf(Shape x, Shape weight, int stride, Padding padding)
    {
        if (x.Rank != 4 || weight.Rank != 4 || x[3] != weight[3])
            throw new ArgumentException($"Conv2d: x {x} must be (B,H,W,C) and the weight {weight} (O,kh,kw,C), with equal C");
        return new Conv2dShape(
            x[0], x[1], x[2], x[3], weight[0], weight[1], weight[2], stride, padding.Left, padding.Right, padding.Top, padding.Bottom);
    }

    internal static void ForwardInto(Tape tape, Tensor x, Tensor weight, Tensor? bias, Tensor y, Conv2dShape s, Tensor? residual = null) => Kernel.Forward(
        tape.Kernels, x.View, weight.View, bias?.View ?? ArrayView<float>.Empty, y.View, s, Kept(weight, "filter", Kernel.KeptLength(tape.Kernels, s)),
        residual?.View ?? ArrayView<float>.Empty);

    // What is kept for a model's weight while it is frozen.
    static KeptFilter Kept(Tensor weight, string form, long length)
    {
        if (weight.RequiresGrad || length == 0 || weight.Forms is null)
            return default;
        (ArrayView<float> memory, bool fresh) = weight.Forms.Of(weight, form, length);
        return new KeptFilter(memory, fresh);
    }

    internal static void Backward(Tape tape, Tensor x, Tensor weight, Tensor? bias, Tensor dy, Conv2dShape s)
    {
        if (x.RequiresGrad)
        {
            Tensor dx = tape.New(x.Shape);
            Kernel.BackwardInput(tape.Kernels, dy.View, weight.View, dx.View, s, Kept(weight, "filter of dx", Kernel.KeptInputLength(tape.Kernels, s)));
            tape.Accumulate(x, dx);
        }

        if (weight.RequiresGrad)
            Kernel.BackwardWeight(tape.Kernels, x.View, dy.View, tape.GradOf(weight).View, s);
        if (bias is { RequiresGrad: true })
            BiasGradient.Accumulate(tape.Kernels, dy.View, tape.GradOf(bias).View, s.B * s.OutH * s.OutW, s.O);
    }
}
