using System.Text.RegularExpressions;

namespace IlgpuDiffusion.IO.Keys;

/// LoRA files of diffusers: `unet.` or `text_encoder.`, the published key, and PEFT's `.lora_A.weight`, `.lora_B.weight` (now), or
/// `.lora.down.weight` and, in the text encoder, `.lora_linear_layer.down.weight` (its training scripts for Stable Diffusion 1). An `.alpha` is read.
static partial class DiffusersLoraKeys
{
    public static string Spell(string component, string module, AdapterPart part) => $"{component}.{module}.{(part == AdapterPart.Down ? "lora_A" : "lora_B")}.weight";

    public static AdapterKey? Parse(string key) => Key(New().Match(key));

    public static string SpellScript(string component, string module, AdapterPart part) =>
        $"{component}.{module}.{(component == AdapterKey.Unet ? "lora" : "lora_linear_layer")}.{(part == AdapterPart.Down ? "down" : "up")}.weight";

    public static AdapterKey? ParseScript(string key) => Key(Script().Match(key));

    static AdapterKey? Key(Match m) => !m.Success ? null : AdapterKey.Of(
        m.Groups["component"].Value,
        m.Groups["module"].Value,
        m.Groups["part"].Value switch { "lora_A" or "down" => AdapterPart.Down, "lora_B" or "up" => AdapterPart.Up, _ => AdapterPart.Alpha },
        $"{m.Groups["component"].Value}.{m.Groups["module"].Value}");

    [GeneratedRegex(@"^(?<component>unet|text_encoder|text_encoder_2)\.(?<module>.+?)\.(?:(?<part>lora_A|lora_B)(?:\.default)?\.weight|(?<part>alpha))$")]
    private static partial Regex New();

    [GeneratedRegex(@"^(?<component>unet|text_encoder|text_encoder_2)\.(?<module>.+?)\.(?:lora|lora_linear_layer)\.(?<part>down|up)\.weight$")]
    private static partial Regex Script();
}
