using System.Text.RegularExpressions;

namespace IlgpuDiffusion.IO.Keys;

/// LoRA files of diffusers before 0.22: attention only had adapters, which sat in its processor: `unet.….attn1.processor.to_q_lora.down.weight`,
/// `to_out_lora` without its `.0`; in the text encoder `….self_attn.to_q_lora.down.weight`. The oldest have no `unet.` in front. Other layers are spelled
/// as diffusers' scripts spell them.
static partial class ProcessorKeys
{
    static readonly (string Old, string Unet, string Text)[] Table =
    [
        ("to_q", "to_q", "q_proj"),
        ("to_k", "to_k", "k_proj"),
        ("to_v", "to_v", "v_proj"),
        ("to_out", "to_out.0", "out_proj"),
    ];

    public static AdapterKey? Parse(string key)
    {
        Match m = Attention().Match(key);
        if (!m.Success)
            return null;
        bool text = m.Groups["text"].Success;
        (_, string unet, string inText) = Table.First(row => row.Old == m.Groups["layer"].Value);
        string at = m.Groups["at"].Value;
        return AdapterKey.Of(
            text ? AdapterKey.Text : AdapterKey.Unet,
            $"{at}.{(text ? inText : unet)}",
            m.Groups["part"].Value == "down" ? AdapterPart.Down : AdapterPart.Up,
            key[..^($"_lora.{m.Groups["part"].Value}.weight".Length)]);
    }

    public static string Spell(string component, string module, AdapterPart part)
    {
        bool unet = component == AdapterKey.Unet;
        foreach ((string old, string inUnet, string inText) in Table)
        {
            string end = $".{(unet ? inUnet : inText)}", at = unet ? "attn" : "self_attn";
            if (module.EndsWith(end, StringComparison.Ordinal) && module.Contains(at, StringComparison.Ordinal))
                return $"{component}.{module[..^end.Length]}{(unet ? ".processor" : "")}.{old}_lora.{(part == AdapterPart.Down ? "down" : "up")}.weight";
        }

        return DiffusersLoraKeys.SpellScript(component, module, part);
    }

    [GeneratedRegex(
        @"^(?:(?<text>text_encoder\.)(?<at>.+\.self_attn)|(?:unet\.)?(?<at>(?:down_blocks|mid_block|up_blocks)\..+\.attn[12])\.processor)"
        + @"\.(?<layer>to_q|to_k|to_v|to_out)_lora\.(?<part>down|up)\.weight$")]
    private static partial Regex Attention();
}
