using System.Text.RegularExpressions;

namespace IlgpuDiffusion.IO.Keys;

/// Names of modules in LoRA files of kohya's sd-scripts: `lora_unet_` or `lora_te_` (diffusers' exporter: `lora_te1_`), then the published key
/// with every dot an underscore; `.lora_down.weight`, `.lora_up.weight`, `.alpha`.
public static partial class KohyaKeys
{
    const string Unet = "lora_unet_", Text = "lora_te_", FirstText = "lora_te1_", SecondText = "lora_te2_";

    static readonly (string End, AdapterPart Part)[] Ends =
    [
        (".lora_down.weight", AdapterPart.Down), (".lora_up.weight", AdapterPart.Up), (".alpha", AdapterPart.Alpha),
    ];

    /// `component`: unet or text_encoder   `key`: a module's published key
    public static string Module(string component, string key) => $"{(component == AdapterKey.Unet ? Unet : Text)}{key.Replace('.', '_')}";

    public static string Spell(string component, string module, AdapterPart part) => Module(component, module) + Ends.First(e => e.Part == part).End;

    /// Null where the key is none of this dialect.
    public static AdapterKey? Parse(string key)
    {
        foreach ((string end, AdapterPart part) in Ends)
        {
            if (!key.EndsWith(end, StringComparison.Ordinal))
                continue;
            string name = key[..^end.Length];
            foreach ((string start, string component) in (ReadOnlySpan<(string, string)>)
                [(Unet, AdapterKey.Unet), (Text, AdapterKey.Text), (FirstText, AdapterKey.Text), (SecondText, AdapterKey.SecondText)])
            {
                if (name.StartsWith(start, StringComparison.Ordinal))
                    return AdapterKey.Of(component, Dotted(name[start.Length..]) ?? name[start.Length..], part, name);
            }
        }

        return null;
    }

    // The published key has underscores of its own: only whole words of Stable Diffusion's names are taken, the longer of two first.
    static string? Dotted(string name) => Words().Match(name) is { Success: true } m ? string.Join('.', m.Groups["word"].Captures.Select(c => c.Value)) : null;

    [GeneratedRegex(
        @"^(?:(?<word>down_blocks|up_blocks|mid_block|transformer_blocks|attentions|resnets|downsamplers|upsamplers|time_emb_proj|time_embedding|"
        + @"conv_shortcut|conv_in|conv_out|conv1|conv2|conv|linear_1|linear_2|to_q|to_k|to_v|to_out|proj_in|proj_out|proj|attn1|attn2|ff|net|"
        + @"text_model|encoder|layers|self_attn|q_proj|k_proj|v_proj|out_proj|mlp|fc1|fc2|\d+)(?:_|$))+(?<!_)$")]
    private static partial Regex Words();
}
