using IlgpuDiffusion.Nn;

namespace IlgpuDiffusion.Adapters;

/// One linear layer to adapt: `unet` or `text_encoder`, its published key, and the layer.
public sealed record AdapterTarget(string Component, string Key, Linear Layer)
{
    /// `unet.down_blocks.0…to_q`
    public string Path => $"{Component}.{Key}";

    // The second attention of a transformer block looks at the prompt.
    static readonly string[] CrossAttention = [".attn2.to_q", ".attn2.to_k", ".attn2.to_v", ".attn2.to_out.0"];

    static readonly string[] Attention = [".to_q", ".to_k", ".to_v", ".to_out.0"];

    static readonly string[] AttentionAndGeglu = [.. Attention, ".ff.net.0.proj"];

    static readonly string[] TextAttention = [".self_attn.q_proj", ".self_attn.k_proj", ".self_attn.v_proj", ".self_attn.out_proj"];

    /// The layers of a set in the models' own order. The one that HyperDreamBooth adapts (method.md 1.4: 192 in SD 1.5) is the first.
    public static IReadOnlyList<AdapterTarget> Of(Weights unet, Weights textEncoder, LayerSet layers = LayerSet.Geglu)
    {
        (string[] inUnet, string[] inText) = layers switch
        {
            LayerSet.Attention => (Attention, TextAttention),
            LayerSet.CrossAttention => (CrossAttention, []),
            LayerSet.UNet => (AttentionAndGeglu, []),
            _ => (AttentionAndGeglu, TextAttention),
        };
        return [.. Select("unet", unet, inUnet), .. Select("text_encoder", textEncoder, inText)];
    }

    static IEnumerable<AdapterTarget> Select(string component, Weights weights, string[] suffixes) =>
        from linear in weights.Linears
        where suffixes.Any(suffix => linear.Key.EndsWith(suffix, StringComparison.Ordinal))
        select new AdapterTarget(component, linear.Key, linear.Value);
}
