using System.Text.RegularExpressions;

namespace IlgpuDiffusion.IO.Keys;

/// Names of OpenCLIP's text encoder, which Stable Diffusion 2's single files have. Queries, keys and values are one matrix there, `in_proj_weight` (3D, D), and one bias;
/// their thirds are called `in_proj_weight[q]`, `[k]` and `[v]` here.
static partial class OpenClipKeys
{
    public const string Prefix = "cond_stage_model.model.";

    const string Layers = Prefix + "transformer.resblocks.", Thirds = "qkv";

    static readonly (string Published, string OpenClip)[] Top =
    [
        ("text_model.embeddings.token_embedding.weight", "token_embedding.weight"),
        ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
        ("text_model.final_layer_norm.", "ln_final."),
    ];

    static readonly (string Published, string OpenClip)[] Layer =
    [
        ("layer_norm1.", "ln_1."),
        ("layer_norm2.", "ln_2."),
        ("mlp.fc1.", "mlp.c_fc."),
        ("mlp.fc2.", "mlp.c_proj."),
        ("self_attn.out_proj.", "attn.out_proj."),
    ];

    public static string TextEncoder(string key)
    {
        if (Inside().Match(key) is not { Success: true } m)
            return Prefix + Replaced(key, Top);
        string rest = m.Groups["rest"].Value;
        return Layers + m.Groups["i"].Value + "." + (Projection().Match(rest) is { Success: true } p
            ? $"attn.in_proj_{p.Groups["kind"].Value}[{p.Groups["third"].Value}]"
            : Replaced(rest, Layer));
    }

    /// No weight of the text encoder as Stable Diffusion 2 uses it: what compares texts with pictures, and the layer behind the `layers` that it goes through.
    public static bool IsBeside(string key, int layers) =>
        key is Prefix + "text_projection" or Prefix + "logit_scale" || key.StartsWith($"{Layers}{layers}.", StringComparison.Ordinal);

    public static bool IsPacked(string key) => key.StartsWith(Layers, StringComparison.Ordinal)
        && (key.EndsWith(".attn.in_proj_weight", StringComparison.Ordinal) || key.EndsWith(".attn.in_proj_bias", StringComparison.Ordinal));

    /// Queries, keys, values, in the order of their rows.
    public static string[] ThirdsOf(string packed) => [.. Thirds.Select(t => $"{packed}[{t}]")];

    /// The key that a file has, and which third of it is meant, 0 where it is the whole.
    public static (string Key, int Third) Packed(string key) => key.EndsWith(']') ? (key[..^"[q]".Length], Thirds.IndexOf(key[^2])) : (key, 0);

    static string Replaced(string key, (string Published, string OpenClip)[] table)
    {
        (string published, string openClip) = table.First(t => key.StartsWith(t.Published, StringComparison.Ordinal));
        return openClip + key[published.Length..];
    }

    [GeneratedRegex(@"^text_model\.encoder\.layers\.(?<i>\d+)\.(?<rest>.+)$")]
    private static partial Regex Inside();

    [GeneratedRegex(@"^self_attn\.(?<third>[qkv])_proj\.(?<kind>weight|bias)$")]
    private static partial Regex Projection();
}
