using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// One level on the way up: UpBlock2D, or with attention CrossAttnUpBlock2D. Each layer takes one output of the way down beside its input.
sealed class UpBlock
{
    readonly Transformer2D[] attentions;
    readonly ResnetBlock2D[] resnets;
    readonly Upsample2D? upsampler;

    public UpBlock(WeightScope w, UNetConfig config, int level)
    {
        int layers = config.LayersPerBlock + 1;
        int[] c = config.BlockOutChannels;
        int below = c[Math.Min(level + 1, config.Levels - 1)], above = c[Math.Max(level - 1, 0)];
        bool attention = config.UpBlockTypes[config.Levels - 1 - level] == "CrossAttnUpBlock2D";
        attentions = [.. Enumerable.Range(0, attention ? layers : 0).Select(i => new Transformer2D(w.Scope("attentions").Scope(i), config, level))];
        // The last skip of a level is what came into it on the way down, with the channels of the level above.
        resnets =
        [
            .. Enumerable.Range(0, layers).Select(i => new ResnetBlock2D(
                w.Scope("resnets").Scope(i),
                (i == 0 ? below : c[level]) + (i == layers - 1 ? above : c[level]),
                c[level], config.TimeChannels, config.NormNumGroups, config.NormEps)),
        ];
        upsampler = level > 0 ? new Upsample2D(w.Scope("upsamplers").Scope(0), c[level]) : null;
    }

    /// x: (B, H, W, below)   returns (B, 2H, 2W, C), at the finest level (B, H, W, C)
    public Tensor Forward(Tape tape, Tensor x, Conditioning on, Stack<Tensor> skips)
    {
        for (int i = 0; i < resnets.Length; i++)
            x = on.Layer(tape, x, skips.Pop(), resnets[i], i < attentions.Length ? attentions[i] : null);
        return upsampler?.Forward(tape, x) ?? x;
    }
}
