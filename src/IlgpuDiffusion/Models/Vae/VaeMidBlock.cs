using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// Resnet, attention of one head among all pixels, resnet, on the coarsest level of an autoencoder.
sealed class VaeMidBlock
{
    /// Of every group norm in the autoencoder; the published config has no key for it.
    public const float Eps = 1e-6f;

    readonly GroupNorm? groupNorm;
    readonly CrossAttention? attention;
    readonly ResnetBlock2D resnet0;
    readonly ResnetBlock2D resnet1;

    public VaeMidBlock(WeightScope w, VaeConfig config)
    {
        int c = config.BlockOutChannels[^1], groups = config.NormNumGroups;
        if (config.MidBlockAddAttention)
        {
            WeightScope attentions = w.Scope("attentions.0");
            groupNorm = new GroupNorm(attentions.Scope("group_norm"), c, groups, Eps);
            attention = new CrossAttention(attentions, c, c, heads: 1, bias: true);
        }

        resnet0 = new ResnetBlock2D(w.Scope("resnets.0"), c, c, 0, groups, Eps);
        resnet1 = new ResnetBlock2D(w.Scope("resnets.1"), c, c, 0, groups, Eps);
    }

    /// x: (B, h, w, C)   returns (B, h, w, C)
    public Tensor Forward(Tape tape, Tensor x)
    {
        x = resnet0.Forward(tape, x);
        if (attention is not null)
        {
            Shape pixels = x.Shape;
            Shape tokens = [pixels[0], pixels[1] * pixels[2], pixels[3]];
            Tensor h = Ops.Reshape.Forward(tape, groupNorm!.Forward(tape, x), tokens);
            x = Ops.Reshape.Forward(tape, attention.Forward(tape, h, h, Ops.Reshape.Forward(tape, x, tokens)), pixels);
        }

        return resnet1.Forward(tape, x);
    }
}
