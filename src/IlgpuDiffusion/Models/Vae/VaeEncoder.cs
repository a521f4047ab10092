using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

sealed class VaeEncoder
{
    readonly Conv2d convIn;
    readonly ResnetBlock2D[][] resnets;
    readonly Downsample2D?[] downsamplers;
    readonly VaeMidBlock midBlock;
    readonly GroupNorm convNormOut;
    readonly Conv2d convOut;

    public VaeEncoder(WeightScope w, VaeConfig config)
    {
        int[] c = config.BlockOutChannels;
        convIn = new Conv2d(w.Scope("conv_in"), config.InChannels, c[0], 3);
        resnets = new ResnetBlock2D[c.Length][];
        downsamplers = new Downsample2D[c.Length];
        for (int level = 0; level < c.Length; level++)
        {
            WeightScope block = w.Scope("down_blocks").Scope(level);
            int before = c[Math.Max(level - 1, 0)], channels = c[level];
            resnets[level] =
            [
                .. Enumerable.Range(0, config.LayersPerBlock).Select(i =>
                    new ResnetBlock2D(block.Scope("resnets").Scope(i), i == 0 ? before : channels, channels, 0, config.NormNumGroups, VaeMidBlock.Eps)),
            ];
            downsamplers[level] = level < c.Length - 1 ? new Downsample2D(block.Scope("downsamplers").Scope(0), channels, padding: 0) : null;
        }

        midBlock = new VaeMidBlock(w.Scope("mid_block"), config);
        convNormOut = new GroupNorm(w.Scope("conv_norm_out"), c[^1], config.NormNumGroups, VaeMidBlock.Eps);
        convOut = new Conv2d(w.Scope("conv_out"), c[^1], 2 * config.LatentChannels, 3);
    }

    /// image: (B, H, W, in)   returns (B, h, w, 2L)
    public Tensor Forward(Tape tape, Tensor image)
    {
        Tensor x = convIn.Forward(tape, image);
        for (int level = 0; level < resnets.Length; level++)
        {
            foreach (ResnetBlock2D resnet in resnets[level])
                x = Checkpoint.Layer(tape, (t, given) => resnet.Forward(t, given[0]), x);
            x = downsamplers[level]?.Forward(tape, x) ?? x;
        }

        return convOut.Forward(tape, convNormOut.Forward(tape, midBlock.Forward(tape, x), silu: true));
    }
}
