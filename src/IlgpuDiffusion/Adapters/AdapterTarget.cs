using IlgpuDiffusion.Nn;

namespace IlgpuDiffusion.Adapters;

/// One linear layer to adapt: `unet` or `text_encoder`, its published key, and the layer.
public sealed record AdapterTarget(string Component, string Key, Linear Layer)
{
    /// `unet.down_blocks.0…to_q`
    public string Path => $"{Component}.{Key}";

    /// The layers that HyperDreamBooth adapts (method.md 1.4: 192 in SD 1.5): q, k, v, out of every attention and the GEGLU projection of the UNet,
    /// and q, k, v, out of the text encoder, in the models' own order. Without `geglu`, the attentions alone.
    public static IReadOnlyList<AdapterTarget> Of(Weights unet, Weights textEncoder, bool geglu = true)
    {
        string[] attention = [".to_q", ".to_k", ".to_v", ".to_out.0"], inUnet = geglu ? [.. attention, ".ff.net.0.proj"] : attention;
        string[] inText = [".self_attn.q_proj", ".self_attn.k_proj", ".self_attn.v_proj", ".self_attn.out_proj"];
        return [.. Select("unet", unet, inUnet), .. Select("text_encoder", textEncoder, inText)];
    }

    static IEnumerable<AdapterTarget> Select(string component, Weights weights, string[] suffixes) =>
        from linear in weights.Linears
        where suffixes.Any(suffix => linear.Key.EndsWith(suffix, StringComparison.Ordinal))
        select new AdapterTarget(component, linear.Key, linear.Value);
}
