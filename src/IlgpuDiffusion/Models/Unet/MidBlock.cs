using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// The coarsest level, UNetMidBlock2DCrossAttn: resnet, attention, resnet.
sealed class MidBlock(WeightScope w, UNetConfig config)
{
    readonly Transformer2D attention = new(w.Scope("attentions.0"), config, config.Levels - 1);
    readonly ResnetBlock2D resnet0 = Resnet(w.Scope("resnets.0"), config);
    readonly ResnetBlock2D resnet1 = Resnet(w.Scope("resnets.1"), config);

    /// x: (B, H, W, C)   returns (B, H, W, C)
    public Tensor Forward(Tape tape, Tensor x, Conditioning on)
    {
        x = on.Layer(tape, x, null, resnet0, attention);
        return w.Traced(on.Layer(tape, x, null, resnet1, null));
    }

    static ResnetBlock2D Resnet(WeightScope w, UNetConfig config)
    {
        int c = config.BlockOutChannels[^1];
        return new ResnetBlock2D(w, c, c, config.TimeChannels, config.NormNumGroups, config.NormEps, config.MidBlockScaleFactor);
    }
}
