namespace IlgpuDiffusion.Models;

/// `config.json` of transformers' ViTModel. Absent keys mean that library's defaults.
public sealed record VitConfig
{
    public int HiddenSize { get; init; } = 768;

    public int NumHiddenLayers { get; init; } = 12;

    public int NumAttentionHeads { get; init; } = 12;

    public int IntermediateSize { get; init; } = 3072;

    /// gelu is the only one
    public string HiddenAct { get; init; } = "gelu";

    public float LayerNormEps { get; init; } = 1e-12f;

    public int ImageSize { get; init; } = 224;

    public int PatchSize { get; init; } = 16;

    public int NumChannels { get; init; } = 3;

    public bool QkvBias { get; init; } = true;

    internal int Patches => ImageSize / PatchSize * (ImageSize / PatchSize);

    /// Errors: a value this program has no implementation for, with file, key and value.
    public static VitConfig Load(string path)
    {
        // transformers writes dozens of keys that say nothing about the network, so unknown ones are let pass.
        VitConfig config = ConfigJson.Load<VitConfig>(path, Only, strict: false);
        config.Check(path);
        return config;
    }

    internal byte[] ToJson() => ConfigJson.Write(this, ("architectures", new[] { "ViTModel" }), ("model_type", "vit"));

    static readonly Dictionary<string, string[]> Only = new()
    {
        ["model_type"] = ["\"vit\""],
        ["attention_probs_dropout_prob"] = ["0", "0.0"],
        ["hidden_dropout_prob"] = ["0", "0.0"],
    };

    internal void Check(string source)
    {
        ConfigJson.Require(HiddenAct == "gelu", source, "hidden_act", HiddenAct, "gelu");
        ConfigJson.Require(HiddenSize is >= 1 and <= 1 << 14, source, "hidden_size", HiddenSize, "1 to 16384");
        ConfigJson.Require(NumHiddenLayers is >= 1 and <= 256, source, "num_hidden_layers", NumHiddenLayers, "1 to 256");
        ConfigJson.Require(
            NumAttentionHeads >= 1 && HiddenSize % NumAttentionHeads == 0, source, "num_attention_heads", NumAttentionHeads, $"a divisor of hidden_size {HiddenSize}");
        ConfigJson.Require(PatchSize >= 1 && ImageSize >= PatchSize && ImageSize % PatchSize == 0, source, "patch_size", PatchSize, $"a divisor of image_size {ImageSize}");
        ConfigJson.Require(NumChannels == 3, source, "num_channels", NumChannels, "3");
        ConfigJson.Require(LayerNormEps > 0, source, "layer_norm_eps", LayerNormEps, "above 0");
    }
}
