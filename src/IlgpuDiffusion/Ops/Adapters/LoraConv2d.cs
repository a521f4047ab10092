using ILGPU;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Kernels.Conv;
using IlgpuDiffusion.Kernels.MatMul;
using IlgpuDiffusion.Tensors;
using Product = IlgpuDiffusion.Kernels.MatMul.MatMul;

namespace IlgpuDiffusion.Ops;

/// y = conv(x, W) + b + s · conv(x, down) · upᵀ: the narrow convolution meets the image as W does, `up` mixes its r channels at each pixel.
/// Keeps x and conv(x, down).
public static class LoraConv2d
{
    /// x (B,H,W,C), weight (O,kh,kw,C), bias (O) or null, down (r,kh,kw,C), up (O,1,1,r); returns (B,H',W',O).
    public static Tensor Forward(
        Tape tape, Tensor x, Tensor weight, Tensor? bias, Tensor down, Tensor up, float scale, int stride, Padding padding)
    {
        Conv2dShape s = Conv2d.ShapeOf(x.Shape, weight.Shape, stride, padding);
        Conv2dShape narrow = Conv2d.ShapeOf(x.Shape, down.Shape, stride, padding);
        if (narrow.Kh != s.Kh || narrow.Kw != s.Kw || !up.Shape.Dims.SequenceEqual([s.O, 1, 1, narrow.O]))
            throw new ArgumentException($"LoraConv2d: down {down.Shape} and up {up.Shape} do not fit the weight {weight.Shape}");
        Tensor y = tape.New([s.B, s.OutH, s.OutW, s.O]);
        Tensor xd = tape.New([s.B, s.OutH, s.OutW, narrow.O]);
        MatMulShape mix = new(1, s.B * s.OutH * s.OutW, s.O, narrow.O, TransposeB: true, Accumulate: true, Scale: scale);
        Conv2d.ForwardInto(tape, x, weight, bias, y, s);
        Conv2d.ForwardInto(tape, x, down, null, xd, narrow);
        Product.Forward(tape.Kernels, xd.View, up.View, ArrayView<float>.Empty, y.View, mix);
        tape.Record(y, [x, weight, bias, down, up], dy =>
        {
            if (up.RequiresGrad)
            {
                MatMulShape grad = new(1, mix.N, mix.K, mix.M, TransposeA: true, Accumulate: true, Scale: scale);
                Product.Forward(tape.Kernels, dy.View, xd.View, ArrayView<float>.Empty, tape.GradOf(up).View, grad);
            }

            Tensor dxd = tape.New(xd.Shape);
            Product.Forward(tape.Kernels, dy.View, up.View, ArrayView<float>.Empty, dxd.View, new MatMulShape(1, mix.M, mix.K, mix.N, Scale: scale));
            Conv2d.Backward(tape, x, down, null, dxd, narrow);
            Conv2d.Backward(tape, x, weight, bias, dy, s);
        });
        return y;
    }
}
