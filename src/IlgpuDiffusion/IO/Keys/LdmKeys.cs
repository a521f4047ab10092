using System.Text.RegularExpressions;

namespace IlgpuDiffusion.IO.Keys;

/// Names of the original latent-diffusion code, which single-file checkpoints carry: `model.diffusion_model.` (UNet), `first_stage_model.` (autoencoder),
/// `cond_stage_model.transformer.` (text encoder; <see cref="OpenClipKeys"/> in Stable Diffusion 2). Its blocks are counted through; n is the published `layers_per_block`.
static partial class LdmKeys
{
    const string Unet = "model.diffusion_model.", FirstStage = "first_stage_model.", Text = "cond_stage_model.transformer.";

    static readonly (string Published, string Ldm)[] UnetTop =
    [
        ("conv_in.", "input_blocks.0.0."),
        ("time_embedding.linear_1.", "time_embed.0."),
        ("time_embedding.linear_2.", "time_embed.2."),
        ("mid_block.resnets.0.", "middle_block.0."),
        ("mid_block.attentions.0.", "middle_block.1."),
        ("mid_block.resnets.1.", "middle_block.2."),
        ("conv_norm_out.", "out.0."),
        ("conv_out.", "out.2."),
    ];

    static readonly (string Published, string Ldm)[] UnetResnet =
    [
        ("norm1.", "in_layers.0."),
        ("conv1.", "in_layers.2."),
        ("time_emb_proj.", "emb_layers.1."),
        ("norm2.", "out_layers.0."),
        ("conv2.", "out_layers.3."),
        ("conv_shortcut.", "skip_connection."),
    ];

    static readonly (string Published, string Ldm)[] Vae =
    [
        (".mid_block.resnets.0.", ".mid.block_1."),
        (".mid_block.resnets.1.", ".mid.block_2."),
        (".mid_block.attentions.0.group_norm.", ".mid.attn_1.norm."),
        (".mid_block.attentions.0.to_q.", ".mid.attn_1.q."),
        (".mid_block.attentions.0.to_k.", ".mid.attn_1.k."),
        (".mid_block.attentions.0.to_v.", ".mid.attn_1.v."),
        (".mid_block.attentions.0.to_out.0.", ".mid.attn_1.proj_out."),
        (".conv_norm_out.", ".norm_out."),
        (".conv_shortcut.", ".nin_shortcut."),
    ];

    // Tables that the sampling code can compute, averages kept for further training, a buffer of positions: no weights of the model.
    static readonly string[] Beside =
    [
        "betas", "alphas_cumprod", "sqrt_", "log_one_minus_alphas_cumprod", "posterior_", "lvlb_weights", "scale_factor", "logvar", "model_ema.",
        "cond_stage_model.transformer.text_model.embeddings.position_ids", "cond_stage_model.logit_scale", "first_stage_model.loss.",
    ];

    /// `layersPerBlock` and `attention` (has up block i a transformer?) of the UNet's config.
    public static string UNet(string key, int layersPerBlock, Func<int, bool> attention)
    {
        int n = layersPerBlock + 1;
        if (UnetBlock().Match(key) is { Success: true } m)
        {
            int i = int.Parse(m.Groups["i"].ValueSpan), j = int.Parse(m.Groups["j"].ValueSpan);
            string part = m.Groups["part"].Value, rest = m.Groups["rest"].Value;
            bool down = m.Groups["way"].Value == "down";
            string block = down ? $"input_blocks.{1 + (i * n) + j}" : $"output_blocks.{(i * n) + j}";
            return Unet + part switch
            {
                "resnets" => $"{block}.0.{Replaced(rest, UnetResnet, atStart: true)}",
                "attentions" => $"{block}.1.{rest}",
                "downsamplers" => $"input_blocks.{(i + 1) * n}.0.{rest.Replace("conv.", "op.", StringComparison.Ordinal)}",
                _ => $"output_blocks.{(i * n) + n - 1}.{(attention(i) ? 2 : 1)}.{rest}",
            };
        }

        string top = Replaced(key, UnetTop, atStart: true);
        // The middle has a transformer between two resnets, whose norms are named as theirs.
        int inside = "middle_block.0.".Length;
        bool resnet = top.StartsWith("middle_block.0.", StringComparison.Ordinal) || top.StartsWith("middle_block.2.", StringComparison.Ordinal);
        return Unet + (resnet ? top[..inside] + Replaced(top[inside..], UnetResnet, atStart: true) : top);
    }

    /// `levels`: of the autoencoder; its decoder is counted from the finest up here, from the coarsest in the published names.
    public static string Autoencoder(string key, int levels)
    {
        string renamed = VaeBlock().Replace(key, m =>
        {
            int i = int.Parse(m.Groups["i"].ValueSpan);
            bool down = m.Groups["way"].Value == "down";
            string part = m.Groups["part"].Value switch { "resnets" => "block", "downsamplers.0" => "downsample", _ => "upsample" };
            return $".{m.Groups["way"].Value}.{(down ? i : levels - 1 - i)}.{part}.";
        });
        return FirstStage + Replaced(renamed, Vae, atStart: false);
    }

    public static string TextEncoder(string key) => Text + key;

    /// Attention of the autoencoder is written as 1 × 1 convolutions here.
    public static bool IsPointwise(string key) => key.Contains(".mid.attn_1.", StringComparison.Ordinal) && key.EndsWith(".weight", StringComparison.Ordinal)
        && !key.EndsWith(".norm.weight", StringComparison.Ordinal);

    /// No weight of the model.
    public static bool IsBeside(string key) => Beside.Any(start => key.StartsWith(start, StringComparison.Ordinal));

    static string Replaced(string key, (string Published, string Ldm)[] table, bool atStart)
    {
        foreach ((string published, string ldm) in table)
        {
            if (atStart && key.StartsWith(published, StringComparison.Ordinal))
                return ldm + key[published.Length..];
            if (!atStart)
                key = key.Replace(published, ldm, StringComparison.Ordinal);
        }

        return key;
    }

    [GeneratedRegex(@"^(?<way>down|up)_blocks\.(?<i>\d+)\.(?<part>resnets|attentions|downsamplers|upsamplers)\.(?<j>\d+)\.(?<rest>.+)$")]
    private static partial Regex UnetBlock();

    [GeneratedRegex(@"\.(?<way>down|up)_blocks\.(?<i>\d+)\.(?<part>resnets|downsamplers\.0|upsamplers\.0)\.")]
    private static partial Regex VaeBlock();
}
