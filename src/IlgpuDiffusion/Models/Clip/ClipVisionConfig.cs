namespace IlgpuDiffusion.Models;

/// `config.json` of transformers' CLIPVisionModelWithProjection. Absent keys mean that library's defaults.
public sealed record ClipVisionConfig
{
    public int HiddenSize { get; init; } = 768;

    public int IntermediateSize { get; init; } = 3072;

    public int NumHiddenLayers { get; init; } = 12;

    public int NumAttentionHeads { get; init; } = 12;

    /// Height and width of the pictures.
    public int ImageSize { get; init; } = 224;

    public int PatchSize { get; init; } = 32;

    /// Of the space that texts and pictures share.
    public int ProjectionDim { get; init; } = 512;

    /// quick_gelu or gelu
    public string HiddenAct { get; init; } = "quick_gelu";

    public float LayerNormEps { get; init; } = 1e-5f;

    /// Patches of a picture.
    internal int Patches => ImageSize / PatchSize * (ImageSize / PatchSize);

    /// Also from the config of a whole CLIP model, which has both halves. Errors: a value this program has no implementation for, with file, key and value.
    public static ClipVisionConfig Load(string path)
    {
        ClipVisionConfig config = ConfigJson.Load<ClipVisionConfig>(path, Only, strict: false, part: "vision_config");
        config.Check(path);
        return config;
    }

    static readonly Dictionary<string, string[]> Only = new()
    {
        ["model_type"] = ["\"clip_vision_model\""],
        ["attention_dropout"] = ["0"],
        ["dropout"] = ["0"],
        ["num_channels"] = ["3"],
    };

    void Check(string source)
    {
        ConfigJson.Require(HiddenAct is "quick_gelu" or "gelu", source, "hidden_act", HiddenAct, "quick_gelu or gelu");
        ConfigJson.Require(HiddenSize is >= 1 and <= 1 << 14, source, "hidden_size", HiddenSize, "1 to 16384");
        ConfigJson.Require(IntermediateSize is >= 1 and <= 1 << 16, source, "intermediate_size", IntermediateSize, "1 to 65536");
        ConfigJson.Require(NumHiddenLayers is >= 1 and <= 256, source, "num_hidden_layers", NumHiddenLayers, "1 to 256");
        ConfigJson.Require(ProjectionDim is >= 1 and <= 1 << 14, source, "projection_dim", ProjectionDim, "1 to 16384");
        ConfigJson.Require(
            PatchSize is >= 1 && ImageSize >= PatchSize && ImageSize % PatchSize == 0 && ImageSize <= 1 << 13, source, "image_size", ImageSize, $"a multiple of patch_size {PatchSize}, at most 8192");
        ConfigJson.Require(
            NumAttentionHeads >= 1 && HiddenSize % NumAttentionHeads == 0,
            source, "num_attention_heads", NumAttentionHeads, $"a divisor of hidden_size {HiddenSize}");
        ConfigJson.Require(LayerNormEps > 0, source, "layer_norm_eps", LayerNormEps, "above 0");
    }
}
