namespace IlgpuDiffusion.Models;

/// `text_encoder/config.json` of transformers' CLIPTextModel. Absent keys mean that library's defaults.
public sealed record ClipTextConfig
{
    public int VocabSize { get; init; } = 49408;

    public int HiddenSize { get; init; } = 512;

    public int IntermediateSize { get; init; } = 2048;

    public int NumHiddenLayers { get; init; } = 12;

    public int NumAttentionHeads { get; init; } = 8;

    public int MaxPositionEmbeddings { get; init; } = 77;

    /// quick_gelu (SD 1) or gelu (SD 2)
    public string HiddenAct { get; init; } = "quick_gelu";

    public float LayerNormEps { get; init; } = 1e-5f;

    public int ProjectionDim { get; init; } = 512;

    public int? BosTokenId { get; init; } = 49406;

    /// 2 in SD 1.5's own file, where it means: the highest id of the prompt.
    public int? EosTokenId { get; init; } = 49407;

    public int? PadTokenId { get; init; } = 1;

    /// Stable Diffusion 1.5's: the text half of CLIP ViT-L/14.
    public static ClipTextConfig StableDiffusion { get; } = new()
    {
        HiddenSize = 768,
        IntermediateSize = 3072,
        NumAttentionHeads = 12,
        ProjectionDim = 768,
        BosTokenId = 0,
        EosTokenId = 2,
    };

    /// Also from the config of a whole CLIP model, which has both halves. Errors: a value this program has no implementation for, with file, key and value.
    public static ClipTextConfig Load(string path)
    {
        // transformers writes dozens of keys that say nothing about the network, so unknown ones are let pass.
        ClipTextConfig config = ConfigJson.Load<ClipTextConfig>(path, Only, strict: false, part: "text_config");
        config.Check(path);
        return config;
    }

    internal byte[] ToJson() => ConfigJson.Write(this, ("architectures", new[] { "CLIPTextModel" }), ("model_type", "clip_text_model"));

    static readonly Dictionary<string, string[]> Only = new()
    {
        ["model_type"] = ["\"clip_text_model\"", "\"clip\""],
        ["attention_dropout"] = ["0"],
        ["dropout"] = ["0"],
    };

    void Check(string source)
    {
        ConfigJson.Require(HiddenAct is "quick_gelu" or "gelu", source, "hidden_act", HiddenAct, "quick_gelu or gelu");
        ConfigJson.Require(VocabSize is >= 1 and <= 1 << 20, source, "vocab_size", VocabSize, "1 to 1048576");
        ConfigJson.Require(HiddenSize is >= 1 and <= 1 << 14, source, "hidden_size", HiddenSize, "1 to 16384");
        ConfigJson.Require(IntermediateSize is >= 1 and <= 1 << 16, source, "intermediate_size", IntermediateSize, "1 to 65536");
        ConfigJson.Require(NumHiddenLayers is >= 1 and <= 256, source, "num_hidden_layers", NumHiddenLayers, "1 to 256");
        ConfigJson.Require(MaxPositionEmbeddings is >= 1 and <= 1 << 14, source, "max_position_embeddings", MaxPositionEmbeddings, "1 to 16384");
        ConfigJson.Require(
            NumAttentionHeads >= 1 && HiddenSize % NumAttentionHeads == 0,
            source, "num_attention_heads", NumAttentionHeads, $"a divisor of hidden_size {HiddenSize}");
        ConfigJson.Require(LayerNormEps > 0, source, "layer_norm_eps", LayerNormEps, "above 0");
    }
}
