namespace IlgpuDiffusion.IO.Keys;

/// Autoencoders saved before diffusers 0.18 name the linears of their attention otherwise.
static class LegacyAttentionKeys
{
    static readonly (string Legacy, string Published)[] Table =
    [
        ("query", "to_q"),
        ("key", "to_k"),
        ("value", "to_v"),
        ("proj_attn", "to_out.0"),
    ];

    public static string ToPublished(string key)
    {
        foreach ((string legacy, string published) in Table)
        {
            foreach (string leaf in (ReadOnlySpan<string>)[".weight", ".bias"])
            {
                string end = $".mid_block.attentions.0.{legacy}{leaf}";
                if (key.EndsWith(end, StringComparison.Ordinal))
                    return $"{key[..^end.Length]}.mid_block.attentions.0.{published}{leaf}";
            }
        }

        return key;
    }
}
