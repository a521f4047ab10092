using System.Text.RegularExpressions;

namespace IlgpuDiffusion.IO.Keys;

/// PEFT's folders: `base_model.model.`, the module's key, `.lora_A.weight`, `.lora_B.weight`. A folder is of one network, which the keys do not name.
static partial class PeftKeys
{
    const string Text = "text_model.";

    /// Without `text_model.`: with it, PEFT on transformers 5 finds no module and says nothing.
    public static string Spell(string component, string module, AdapterPart part)
    {
        string own = component == AdapterKey.Text && module.StartsWith(Text, StringComparison.Ordinal) ? module[Text.Length..] : module;
        return $"base_model.model.{own}.{(part == AdapterPart.Down ? "lora_A" : "lora_B")}.weight";
    }

    public static AdapterKey? Parse(string key)
    {
        Match m = Key().Match(key);
        if (!m.Success)
            return null;
        string module = m.Groups["module"].Value;
        bool text = module.StartsWith(Text, StringComparison.Ordinal) || module.StartsWith("encoder.", StringComparison.Ordinal);
        return AdapterKey.Of(
            text ? AdapterKey.Text : AdapterKey.Unet, module, m.Groups["part"].Value == "lora_A" ? AdapterPart.Down : AdapterPart.Up, module);
    }

    [GeneratedRegex(@"^base_model\.model\.(?<module>.+?)\.(?<part>lora_A|lora_B)(?:\.default)?\.weight$")]
    private static partial Regex Key();
}
