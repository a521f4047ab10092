namespace IlgpuDiffusion.Adapters;

/// Which layers low-rank updates are put on.
public enum LayerSet
{
    /// q, k, v, out of every attention of the UNet and the text encoder, and the UNet's GEGLU projections: the 192 layers of Stable Diffusion 1.5 that alone fit the paper's numbers.
    Geglu,

    /// The paper's text read literally, "all cross- and self-attention layers": those without the GEGLU projections, 176.
    Attention,

    /// The UNet's cross-attentions alone, where the words come in.
    CrossAttention,

    /// The first without the text encoder, as diffusers' scripts train by default.
    UNet,
}
