using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// Halves height and width. plain: silu(norm(conv)) once in the first stage, which has the most pixels, and twice in the others; residual: a convolution, then
/// x + conv(silu(norm(conv(silu(norm(x)))))).
sealed class ConvStage
{
    const float Eps = 1e-5f;

    readonly Conv2d down;
    readonly GroupNorm norm;
    readonly Conv2d? conv1;
    readonly GroupNorm? norm1;
    readonly Conv2d? conv2;
    readonly bool residual;

    public ConvStage(WeightScope w, int inChannels, int outChannels, ConvEncoderConfig config, bool first)
    {
        residual = config.BlockType == "residual";
        down = new Conv2d(w.Scope("down"), inChannels, outChannels, 3, stride: 2);
        norm = new GroupNorm(w.Scope("norm"), outChannels, config.NormNumGroups, Eps);
        if (first && !residual)
            return;
        conv1 = new Conv2d(w.Scope("conv1"), outChannels, outChannels, 3);
        norm1 = new GroupNorm(w.Scope("norm1"), outChannels, config.NormNumGroups, Eps);
        if (residual)
            conv2 = new Conv2d(w.Scope("conv2"), outChannels, outChannels, 3);
    }

    /// x: (B, H, W, in)   returns (B, H/2, W/2, out)
    public Tensor Forward(Tape tape, Tensor x)
    {
        x = down.Forward(tape, x);
        Tensor h = norm.Forward(tape, x, silu: true);
        if (conv1 is null)
            return h;
        h = norm1!.Forward(tape, conv1.Forward(tape, h), silu: true);
        return residual ? conv2!.Forward(tape, h, x) : h;
    }
}
