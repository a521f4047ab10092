namespace IlgpuDiffusion.Models;

/// `config.json` of a <see cref="HyperNetwork"/>.
public sealed record HyperNetworkConfig
{
    /// L: layers it predicts for, one token each.
    public required int Layers { get; init; }

    /// Numbers a layer.
    public required int Outputs { get; init; }

    /// What the image encoder gives, group by group: tokens, and numbers a token.
    public required int[][] Memory { get; init; }

    /// Width of the decoder.
    public int HiddenSize { get; init; } = 192;

    public int NumAttentionHeads { get; init; } = 6;

    public int IntermediateSize { get; init; } = 768;

    public int NumHiddenLayers { get; init; } = 2;

    /// s: times that the decoder sees its own prediction and adds to it.
    public int Refinements { get; init; } = 2;

    /// false: layer tokens attend to the image's tokens; true, the paper's form: the image's last token, which sums it up, stands in front of the layer tokens, and all attend
    /// to all.
    public bool Concatenated { get; init; }

    /// Standard deviation that the output matrices start with. Not zero: where both factors of ΔW start at zero neither ever gets a gradient.
    public float OutputDeviation { get; init; } = 1e-3f;

    /// Errors: a value this program has no implementation for, with file, key and value.
    public static HyperNetworkConfig Load(string path)
    {
        HyperNetworkConfig config = ConfigJson.Load<HyperNetworkConfig>(path, new Dictionary<string, string[]> { ["model_type"] = ["\"hypernetwork\""] }, strict: true);
        config.Check(path);
        return config;
    }

    internal byte[] ToJson() => ConfigJson.Write(this, ("model_type", "hypernetwork"));

    internal void Check(string source)
    {
        ConfigJson.Require(Layers >= 1, source, "layers", Layers, "1 or more");
        ConfigJson.Require(Outputs >= 1, source, "outputs", Outputs, "1 or more");
        ConfigJson.Require(Memory.Length >= 1 && Memory.All(g => g.Length == 2 && g[0] >= 1 && g[1] >= 1), source, "memory", Memory.Length, "pairs of tokens and features");
        ConfigJson.Require(
            NumAttentionHeads >= 1 && HiddenSize >= 1 && HiddenSize % NumAttentionHeads == 0,
            source, "num_attention_heads", NumAttentionHeads, $"a divisor of hidden_size {HiddenSize}");
        ConfigJson.Require(IntermediateSize >= 1, source, "intermediate_size", IntermediateSize, "1 or more");
        ConfigJson.Require(NumHiddenLayers is >= 1 and <= 256, source, "num_hidden_layers", NumHiddenLayers, "1 to 256");
        ConfigJson.Require(Refinements is >= 1 and <= 64, source, "refinements", Refinements, "1 to 64");
        ConfigJson.Require(OutputDeviation >= 0, source, "output_deviation", OutputDeviation, "0 or more");
    }
}
