using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// One level on the way down: DownBlock2D, or with attention CrossAttnDownBlock2D. Leaves the output of every layer for the way up.
sealed class DownBlock
{
    readonly Transformer2D[] attentions;
    readonly ResnetBlock2D[] resnets;
    readonly Downsample2D? downsampler;

    public DownBlock(WeightScope w, UNetConfig config, int level)
    {
        int channels = config.BlockOutChannels[level], before = config.BlockOutChannels[Math.Max(level - 1, 0)];
        bool attention = config.DownBlockTypes[level] == "CrossAttnDownBlock2D";
        int attentionCount = attention ? config.LayersPerBlock : 0;
        attentions = [.. Enumerable.Range(0, attentionCount).Select(i => new Transformer2D(w.Scope("attentions").Scope(i), config, level))];
        resnets =
        [
            .. Enumerable.Range(0, config.LayersPerBlock).Select(i => new ResnetBlock2D(
                w.Scope("resnets").Scope(i), i == 0 ? before : channels, channels, config.TimeChannels, config.NormNumGroups, config.NormEps)),
        ];
        downsampler = level < config.Levels - 1 ? new Downsample2D(w.Scope("downsamplers").Scope(0), channels, config.DownsamplePadding) : null;
    }

    /// x: (B, H, W, before)   returns (B, H/2, W/2, C), at the last level (B, H, W, C)
    public Tensor Forward(Tape tape, Tensor x, Conditioning on, Stack<Tensor> skips)
    {
        for (int i = 0; i < resnets.Length; i++)
            skips.Push(x = on.Layer(tape, x, null, resnets[i], i < attentions.Length ? attentions[i] : null));
        if (downsampler is not null)
            skips.Push(x = downsampler.Forward(tape, x));
        return x;
    }
}
