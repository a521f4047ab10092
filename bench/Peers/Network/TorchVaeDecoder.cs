using IlgpuDiffusion.Models;
using TorchSharp.Modules;
using F = TorchSharp.torch.nn.functional;
using Torch = TorchSharp.torch;

namespace IlgpuDiffusion.Peers.Network;

/// AutoencoderKL's decoder in TorchSharp modules, channels first.
sealed class TorchVaeDecoder
{
    const double Eps = 1e-6;

    readonly Conv2d convIn;
    readonly Resnet mid0;
    readonly Resnet mid1;
    readonly GroupNorm attentionNorm;
    readonly TorchLinear q;
    readonly TorchLinear k;
    readonly TorchLinear v;
    readonly TorchLinear output;
    readonly (Resnet[] Resnets, Conv2d? Upsample)[] up;
    readonly GroupNorm normOut;
    readonly Conv2d convOut;

    public TorchVaeDecoder(VaeConfig config)
    {
        int[] c = [.. config.BlockOutChannels.Reverse()];
        int groups = config.NormNumGroups;
        convIn = Modules.Conv("decoder.conv_in", config.LatentChannels, c[0], 3);
        mid0 = new Resnet(Modules, "decoder.mid_block.resnets.0", c[0], c[0], groups);
        mid1 = new Resnet(Modules, "decoder.mid_block.resnets.1", c[0], c[0], groups);
        const string attention = "decoder.mid_block.attentions.0";
        attentionNorm = Modules.GroupNorm($"{attention}.group_norm", c[0], groups, Eps);
        q = Modules.Linear($"{attention}.to_q", c[0], c[0]);
        k = Modules.Linear($"{attention}.to_k", c[0], c[0]);
        v = Modules.Linear($"{attention}.to_v", c[0], c[0]);
        output = Modules.Linear($"{attention}.to_out.0", c[0], c[0]);
        up =
        [
            .. Enumerable.Range(0, c.Length).Select(i => (
                Enumerable.Range(0, config.LayersPerBlock + 1).Select(j => new Resnet(Modules, $"decoder.up_blocks.{i}.resnets.{j}", j == 0 ? c[Math.Max(i - 1, 0)] : c[i], c[i], groups)).ToArray(),
                i < c.Length - 1 ? Modules.Conv($"decoder.up_blocks.{i}.upsamplers.0.conv", c[i], c[i], 3) : null)),
        ];
        normOut = Modules.GroupNorm("decoder.conv_norm_out", c[^1], groups, Eps);
        convOut = Modules.Conv("decoder.conv_out", c[^1], config.OutChannels, 3);
    }

    public TorchModules Modules { get; } = new();

    /// latent: (B, L, h, w)   returns (B, 3, H, W)
    public Torch.Tensor Forward(Torch.Tensor latent)
    {
        Torch.Tensor x = mid0.Forward(convIn.forward(latent));
        Torch.Tensor h = attentionNorm.forward(x).flatten(2).transpose(1, 2);
        h = output.Forward(TorchAttention.Forward(q.Forward(h), k.Forward(h), v.Forward(h), 1));
        x = mid1.Forward(x + h.transpose(1, 2).reshape(x.shape));
        foreach ((Resnet[] resnets, Conv2d? upsample) in up)
        {
            foreach (Resnet resnet in resnets)
                x = resnet.Forward(x);
            x = upsample?.forward(F.interpolate(x, scale_factor: [2, 2], mode: Torch.InterpolationMode.Nearest)) ?? x;
        }

        return convOut.forward(F.silu(normOut.forward(x)));
    }

    sealed class Resnet(TorchModules m, string key, int inputs, int outputs, int groups)
    {
        readonly GroupNorm norm1 = m.GroupNorm($"{key}.norm1", inputs, groups, Eps);
        readonly Conv2d conv1 = m.Conv($"{key}.conv1", inputs, outputs, 3);
        readonly GroupNorm norm2 = m.GroupNorm($"{key}.norm2", outputs, groups, Eps);
        readonly Conv2d conv2 = m.Conv($"{key}.conv2", outputs, outputs, 3);
        readonly Conv2d? shortcut = inputs != outputs ? m.Conv($"{key}.conv_shortcut", inputs, outputs, 1) : null;

        public Torch.Tensor Forward(Torch.Tensor x) => (shortcut?.forward(x) ?? x) + conv2.forward(F.silu(norm2.forward(conv1.forward(F.silu(norm1.forward(x))))));
    }
}
