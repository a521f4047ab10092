namespace IlgpuDiffusion.IO.Keys;

/// Names of modules in LoRA files of kohya's sd-scripts: `lora_unet_` or `lora_te_` (diffusers' exporter: `lora_te1_`), then the published key
/// with every dot an underscore.
public static class KohyaKeys
{
    const string Unet = "lora_unet_", Text = "lora_te_", FirstText = "lora_te1_";

    /// `component`: unet or text_encoder   `key`: a module's published key
    public static string Module(string component, string key) => $"{(component == "unet" ? Unet : Text)}{key.Replace('.', '_')}";

    /// The one spelling under which modules are looked up.
    public static string Canonical(string module) =>
        module.StartsWith(FirstText, StringComparison.Ordinal) ? string.Concat(Text, module.AsSpan(FirstText.Length)) : module;

    /// SDXL's second text encoder.
    public static bool IsSdxl(string module) => module.StartsWith("lora_te2_", StringComparison.Ordinal);
}
