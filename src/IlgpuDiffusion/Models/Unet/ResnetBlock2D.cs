using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// (shortcut(x) + conv(silu(norm(conv(silu(norm(x))) + proj(time))))) / scale, where the shortcut is a 1×1 convolution if the channels differ.
/// Without time (timeChannels 0) in an autoencoder.
sealed class ResnetBlock2D(WeightScope w, int inChannels, int outChannels, int timeChannels, int groups, float eps, float scale = 1)
{
    readonly GroupNorm norm1 = new(w.Scope("norm1"), inChannels, groups, eps);
    readonly Conv2d conv1 = new(w.Scope("conv1"), inChannels, outChannels, 3);
    readonly Linear? timeEmbProj = timeChannels > 0 ? new(w.Scope("time_emb_proj"), timeChannels, outChannels) : null;
    readonly GroupNorm norm2 = new(w.Scope("norm2"), outChannels, groups, eps);
    readonly Conv2d conv2 = new(w.Scope("conv2"), outChannels, outChannels, 3);
    readonly Conv2d? convShortcut = inChannels != outChannels ? new(w.Scope("conv_shortcut"), inChannels, outChannels, 1) : null;

    /// x: (B, H, W, in)   time: (B, timeChannels), already through SiLU   returns (B, H, W, out)
    public Tensor Forward(Tape tape, Tensor x, Tensor? time = null)
    {
        Tensor h = conv1.Forward(tape, norm1.Forward(tape, x, silu: true));
        if (timeEmbProj is not null)
            h = Ops.AddChannels.Forward(tape, h, timeEmbProj.Forward(tape, time!));
        Tensor y = conv2.Forward(tape, norm2.Forward(tape, h, silu: true), convShortcut?.Forward(tape, x) ?? x);
        return w.Traced(scale == 1 ? y : Ops.Scale.Forward(tape, y, 1 / scale));
    }
}
