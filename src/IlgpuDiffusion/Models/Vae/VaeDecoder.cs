using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

sealed class VaeDecoder
{
    readonly Conv2d convIn;
    readonly ResnetBlock2D[][] resnets;
    readonly Upsample2D?[] upsamplers;
    readonly VaeMidBlock midBlock;
    readonly GroupNorm convNormOut;
    readonly Conv2d convOut;

    public VaeDecoder(WeightScope w, VaeConfig config)
    {
        int[] c = [.. config.BlockOutChannels.Reverse()];
        convIn = new Conv2d(w.Scope("conv_in"), config.LatentChannels, c[0], 3);
        resnets = new ResnetBlock2D[c.Length][];
        upsamplers = new Upsample2D[c.Length];
        for (int i = 0; i < c.Length; i++)
        {
            WeightScope block = w.Scope("up_blocks").Scope(i);
            int before = c[Math.Max(i - 1, 0)], channels = c[i];
            resnets[i] =
            [
                .. Enumerable.Range(0, config.LayersPerBlock + 1).Select(j =>
                    new ResnetBlock2D(block.Scope("resnets").Scope(j), j == 0 ? before : channels, channels, 0, config.NormNumGroups, VaeMidBlock.Eps)),
            ];
            upsamplers[i] = i < c.Length - 1 ? new Upsample2D(block.Scope("upsamplers").Scope(0), channels) : null;
        }

        midBlock = new VaeMidBlock(w.Scope("mid_block"), config);
        convNormOut = new GroupNorm(w.Scope("conv_norm_out"), c[^1], config.NormNumGroups, VaeMidBlock.Eps);
        convOut = new Conv2d(w.Scope("conv_out"), c[^1], config.OutChannels, 3);
    }

    /// latent: (B, h, w, L)   returns (B, H, W, out)
    public Tensor Forward(Tape tape, Tensor latent)
    {
        Tensor x = midBlock.Forward(tape, convIn.Forward(tape, latent));
        for (int i = 0; i < resnets.Length; i++)
        {
            foreach (ResnetBlock2D resnet in resnets[i])
                x = Checkpoint.Layer(tape, (t, given) => resnet.Forward(t, given[0]), x);
            x = upsamplers[i]?.Forward(tape, x) ?? x;
        }

        return Checkpoint.Layer(tape, (t, given) => convOut.Forward(t, convNormOut.Forward(t, given[0], silu: true)), x);
    }
}
