using IlgpuDiffusion.Models;
using TorchSharp.Modules;
using F = TorchSharp.torch.nn.functional;
using Torch = TorchSharp.torch;

namespace IlgpuDiffusion.Peers.Network;

/// The denoiser in TorchSharp modules, channels first: as much of UNet2DConditionModel as face-mini and Stable Diffusion 1.5 need.
sealed class TorchUNet
{
    readonly UNetConfig config;
    readonly Conv2d convIn;
    readonly TorchLinear time1;
    readonly TorchLinear time2;
    readonly Level[] down;
    readonly Resnet mid0;
    readonly Transformer midAttention;
    readonly Resnet mid1;
    readonly Level[] up;
    readonly GroupNorm normOut;
    readonly Conv2d convOut;

    public TorchUNet(UNetConfig config)
    {
        this.config = config;
        int[] c = config.BlockOutChannels;
        int levels = c.Length, layers = config.LayersPerBlock, timeChannels = 4 * c[0];
        convIn = Modules.Conv("conv_in", config.InChannels, c[0], 3);
        time1 = Modules.Linear("time_embedding.linear_1", c[0], timeChannels);
        time2 = Modules.Linear("time_embedding.linear_2", timeChannels, timeChannels);
        down =
        [
            .. Enumerable.Range(0, levels).Select(i => new Level(
                Modules,
                $"down_blocks.{i}",
                [.. Enumerable.Range(0, layers).Select(n => (n == 0 ? c[Math.Max(i - 1, 0)] : c[i], c[i]))],
                config.DownBlockTypes[i] == "CrossAttnDownBlock2D",
                i < levels - 1 ? "downsamplers" : null,
                config)),
        ];
        mid0 = new Resnet(Modules, "mid_block.resnets.0", c[^1], c[^1], config);
        midAttention = new Transformer(Modules, "mid_block.attentions.0", c[^1], config);
        mid1 = new Resnet(Modules, "mid_block.resnets.1", c[^1], c[^1], config);
        up =
        [
            .. Enumerable.Range(0, levels).Select(n =>
            {
                int i = levels - 1 - n, below = c[Math.Min(i + 1, levels - 1)], above = c[Math.Max(i - 1, 0)];
                return new Level(
                    Modules,
                    $"up_blocks.{n}",
                    [.. Enumerable.Range(0, layers + 1).Select(l => ((l == 0 ? below : c[i]) + (l == layers ? above : c[i]), c[i]))],
                    config.UpBlockTypes[n] == "CrossAttnUpBlock2D",
                    i > 0 ? "upsamplers" : null,
                    config);
            }),
        ];
        normOut = Modules.GroupNorm("conv_norm_out", c[0], config.NormNumGroups, config.NormEps);
        convOut = Modules.Conv("conv_out", c[0], config.OutChannels, 3);
    }

    public TorchModules Modules { get; } = new();

    /// sample: (B, in, H, W)   timesteps: (B)   context: (B, T, D)   returns (B, out, H, W)
    public Torch.Tensor Forward(Torch.Tensor sample, Torch.Tensor timesteps, Torch.Tensor context)
    {
        Torch.Tensor time = F.silu(time2.Forward(F.silu(time1.Forward(Embed(timesteps, config.BlockOutChannels[0])))));
        Torch.Tensor x = convIn.forward(sample);
        Stack<Torch.Tensor> skips = new([x]);
        foreach (Level level in down)
        {
            for (int i = 0; i < level.Resnets.Length; i++)
                skips.Push(x = level.Layer(i, x, time, context));
            if (level.Resample is not null)
                skips.Push(x = level.Resample.forward(x));
        }

        x = mid1.Forward(midAttention.Forward(mid0.Forward(x, time), context), time);
        foreach (Level level in up)
        {
            for (int i = 0; i < level.Resnets.Length; i++)
                x = level.Layer(i, Torch.cat([x, skips.Pop()], 1), time, context);
            if (level.Resample is not null)
                x = level.Resample.forward(F.interpolate(x, scale_factor: [2, 2], mode: Torch.InterpolationMode.Nearest));
        }

        return convOut.forward(F.silu(normOut.forward(x)));
    }

    static Torch.Tensor Embed(Torch.Tensor timesteps, int dim)
    {
        Torch.Tensor frequencies = Torch.exp(Torch.arange(dim / 2, dtype: Torch.float32) * (float)(-Math.Log(10000) / (dim / 2)));
        Torch.Tensor angles = timesteps.unsqueeze(1) * frequencies.unsqueeze(0);
        return Torch.cat([Torch.cos(angles), Torch.sin(angles)], 1);
    }

    /// One resolution: resnets, each with its attention if there is any, and the convolution that halves or smooths after doubling.
    sealed class Level(TorchModules m, string key, (int In, int Out)[] channels, bool attention, string? resample, UNetConfig config)
    {
        readonly Transformer[] transformers =
            [.. Enumerable.Range(0, attention ? channels.Length : 0).Select(i => new Transformer(m, $"{key}.attentions.{i}", channels[i].Out, config))];

        public Resnet[] Resnets { get; } = [.. channels.Select((c, i) => new Resnet(m, $"{key}.resnets.{i}", c.In, c.Out, config))];

        public Conv2d? Resample { get; } =
            resample is null ? null : m.Conv($"{key}.{resample}.0.conv", channels[0].Out, channels[0].Out, 3, resample == "downsamplers" ? 2 : 1);

        public Torch.Tensor Layer(int i, Torch.Tensor x, Torch.Tensor time, Torch.Tensor context)
        {
            x = Resnets[i].Forward(x, time);
            return transformers.Length > 0 ? transformers[i].Forward(x, context) : x;
        }
    }

    sealed class Resnet(TorchModules m, string key, int inputs, int outputs, UNetConfig config)
    {
        readonly GroupNorm norm1 = m.GroupNorm($"{key}.norm1", inputs, config.NormNumGroups, config.NormEps);
        readonly Conv2d conv1 = m.Conv($"{key}.conv1", inputs, outputs, 3);
        readonly TorchLinear time = m.Linear($"{key}.time_emb_proj", 4 * config.BlockOutChannels[0], outputs);
        readonly GroupNorm norm2 = m.GroupNorm($"{key}.norm2", outputs, config.NormNumGroups, config.NormEps);
        readonly Conv2d conv2 = m.Conv($"{key}.conv2", outputs, outputs, 3);
        readonly Conv2d? shortcut = inputs != outputs ? m.Conv($"{key}.conv_shortcut", inputs, outputs, 1) : null;

        public Torch.Tensor Forward(Torch.Tensor x, Torch.Tensor on)
        {
            Torch.Tensor h = conv1.forward(F.silu(norm1.forward(x))) + time.Forward(on).unsqueeze(-1).unsqueeze(-1);
            return (shortcut?.forward(x) ?? x) + conv2.forward(F.silu(norm2.forward(h)));
        }
    }

    sealed class Transformer(TorchModules m, string key, int channels, UNetConfig config)
    {
        readonly int heads = config.AttentionHeadDim[0];
        readonly GroupNorm norm = m.GroupNorm($"{key}.norm", channels, config.NormNumGroups, 1e-6);
        readonly Conv2d projIn = m.Conv($"{key}.proj_in", channels, channels, 1);
        readonly Attention self = new(m, $"{key}.transformer_blocks.0.attn1", channels, channels);
        readonly Attention cross = new(m, $"{key}.transformer_blocks.0.attn2", channels, config.CrossAttentionDim);
        readonly LayerNorm norm1 = m.LayerNorm($"{key}.transformer_blocks.0.norm1", channels);
        readonly LayerNorm norm2 = m.LayerNorm($"{key}.transformer_blocks.0.norm2", channels);
        readonly LayerNorm norm3 = m.LayerNorm($"{key}.transformer_blocks.0.norm3", channels);
        readonly TorchLinear ffIn = m.Linear($"{key}.transformer_blocks.0.ff.net.0.proj", channels, 8 * channels);
        readonly TorchLinear ffOut = m.Linear($"{key}.transformer_blocks.0.ff.net.2", 4 * channels, channels);
        readonly Conv2d projOut = m.Conv($"{key}.proj_out", channels, channels, 1);

        public Torch.Tensor Forward(Torch.Tensor x, Torch.Tensor context)
        {
            Torch.Tensor h = projIn.forward(norm.forward(x)).flatten(2).transpose(1, 2);
            Torch.Tensor n = norm1.forward(h);
            h = self.Forward(n, n, heads) + h;
            h = cross.Forward(norm2.forward(h), context, heads) + h;
            Torch.Tensor[] halves = ffIn.Forward(norm3.forward(h)).chunk(2, -1);
            h = ffOut.Forward(halves[0] * F.gelu(halves[1])) + h;
            return projOut.forward(h.transpose(1, 2).reshape(x.shape)) + x;
        }
    }

    sealed class Attention(TorchModules m, string key, int channels, int contextChannels)
    {
        readonly TorchLinear q = m.Linear($"{key}.to_q", channels, channels, bias: false);
        readonly TorchLinear k = m.Linear($"{key}.to_k", contextChannels, channels, bias: false);
        readonly TorchLinear v = m.Linear($"{key}.to_v", contextChannels, channels, bias: false);
        readonly TorchLinear output = m.Linear($"{key}.to_out.0", channels, channels);

        public Torch.Tensor Forward(Torch.Tensor x, Torch.Tensor context, int heads) =>
            output.Forward(TorchAttention.Forward(q.Forward(x), k.Forward(context), v.Forward(context), heads));
    }
}
