using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// Convolution without bias, batch norm, ReLU.
sealed class ConvBlock(WeightScope w, int inChannels, int outChannels, (int Height, int Width) kernel, int stride = 1, bool padded = false)
{
    const float Eps = 1e-3f;

    readonly Conv2d conv = new(w.Scope("conv"), inChannels, outChannels, kernel, stride, padded ? null : Ops.Padding.Same(0), bias: false);
    readonly BatchNorm bn = new(w.Scope("bn"), outChannels, Eps);

    /// x: (B, H, W, I)   returns (B, H', W', O)
    public Tensor Forward(Tape tape, Tensor x) => w.Traced(Ops.Relu.Forward(tape, bn.Forward(tape, conv.Forward(tape, x))));
}

/// ConvBlocks one after the other, named 0, 1, …: (out, kernel height, kernel width, stride, padded).
sealed class ConvChain
{
    readonly ConvBlock[] blocks;

    public ConvChain(WeightScope w, int inChannels, params ReadOnlySpan<(int Out, int Height, int Width, int Stride, bool Padded)> blocks)
    {
        List<ConvBlock> all = [];
        foreach ((int o, int h, int width, int stride, bool padded) in blocks)
        {
            all.Add(new ConvBlock(w.Scope(all.Count), inChannels, o, (h, width), stride, padded));
            inChannels = o;
        }

        this.blocks = [.. all];
    }

    public Tensor Forward(Tape tape, Tensor x)
    {
        foreach (ConvBlock block in blocks)
            x = block.Forward(tape, x);
        return x;
    }
}
