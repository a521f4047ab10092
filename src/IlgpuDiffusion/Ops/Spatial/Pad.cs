using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Kernels.Spatial;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Ops;

/// Zeros around H and W: (B, H, W, C) to (B, top + H + bottom, left + W + right, C). Keeps nothing.
public static class Pad
{
    public static Tensor Forward(Tape tape, Tensor x, int left, int right, int top, int bottom)
    {
        if (x.Shape.Rank != 4 || left < 0 || right < 0 || top < 0 || bottom < 0)
            throw new ArgumentException($"Pad: {left}, {right}, {top}, {bottom} around {x.Shape}: sizes of zero or more around (B, H, W, C) are needed");
        int b = x.Shape[0], h = x.Shape[1], w = x.Shape[2], c = x.Shape[3];
        int outerH = top + h + bottom, outerW = left + w + right;
        Tensor y = tape.Zeros([b, outerH, outerW, c]);
        BlockLayout inner = new(0, (long)h * w * c, (long)w * c);
        BlockLayout outer = new((((long)top * outerW) + left) * c, (long)outerH * outerW * c, (long)outerW * c);
        Blocks.Copy(tape.Kernels, x.View, inner, y.View, outer, b, h, w * c);
        tape.Record(y, [x], dy =>
        {
            Tensor dx = tape.New(x.Shape);
            Blocks.Copy(tape.Kernels, dy.View, outer, dx.View, inner, b, h, w * c);
            tape.Accumulate(x, dx);
        });
        return y;
    }
}
