using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Ops;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Nn;

/// Convolution over (B, H, W, I); published weight (O, I, kh, kw), held (O, kh, kw, I). By default half a kernel of zeros on every side.
public sealed class Conv2d
{
    readonly WeightScope scope;
    readonly Parameter weight;
    readonly Parameter? bias;
    readonly int stride;
    readonly Padding padding;

    public Conv2d(WeightScope w, int inChannels, int outChannels, int kernel, int stride = 1, Padding? padding = null, bool bias = true)
        : this(w, inChannels, outChannels, (kernel, kernel), stride, padding, bias)
    {
    }

    public Conv2d(WeightScope w, int inChannels, int outChannels, (int Height, int Width) kernel, int stride = 1, Padding? padding = null, bool bias = true)
    {
        scope = w;
        weight = w.Get("weight", [outChannels, inChannels, kernel.Height, kernel.Width], layout: Layout.ConvWeight);
        this.bias = bias ? w.Get("bias", [outChannels], fanIn: inChannels * kernel.Height * kernel.Width) : null;
        this.stride = stride;
        this.padding = padding ?? new Padding(kernel.Width / 2, kernel.Width / 2, kernel.Height / 2, kernel.Height / 2);
    }

    /// x: (B, H, W, I)   residual: (B, H', W', O)   returns (B, H', W', O)
    public Tensor Forward(Tape tape, Tensor x, Tensor? residual = null)
    {
        Tensor y = Ops.Conv2d.Forward(tape, x, weight, bias?.Value, stride, padding, residual);
        // Who looks wants the convolution's own output, which a sum does not show.
        if (residual is null)
            scope.Traced(y);
        else if (scope.Traces)
            scope.Traced(Ops.Conv2d.Forward(tape, x, weight, bias?.Value, stride, padding));
        return y;
    }
}
