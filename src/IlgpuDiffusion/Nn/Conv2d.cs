using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Ops;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Nn;

/// Convolution over (B, H, W, I) with a square kernel; published weight (O, I, k, k), held (O, k, k, I). By default k / 2 zeros on every side.
public sealed class Conv2d
{
    readonly WeightScope scope;
    readonly Parameter weight;
    readonly Parameter? bias;
    readonly int stride;
    readonly Padding padding;

    public Conv2d(WeightScope w, int inChannels, int outChannels, int kernel, int stride = 1, Padding? padding = null, bool bias = true)
    {
        scope = w;
        weight = w.Get("weight", [outChannels, inChannels, kernel, kernel], layout: Layout.ConvWeight);
        this.bias = bias ? w.Get("bias", [outChannels], fanIn: inChannels * kernel * kernel) : null;
        this.stride = stride;
        this.padding = padding ?? Padding.Same(kernel / 2);
    }

    /// x: (B, H, W, I)   returns (B, H', W', O)
    public Tensor Forward(Tape tape, Tensor x) => scope.Traced(Ops.Conv2d.Forward(tape, x, weight, bias?.Value, stride, padding));
}
