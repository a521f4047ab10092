namespace IlgpuDiffusion.Models;

/// `config.json` of a <see cref="ConvEncoder"/>.
public sealed record ConvEncoderConfig
{
    /// Pixels a side.
    public int ImageSize { get; init; } = 64;

    /// Width of each stage; each halves height and width.
    public int[] Channels { get; init; } = [32, 64, 96, 128, 192];

    public int NormNumGroups { get; init; } = 8;

    /// plain: one more convolution a stage after the first; residual: a pre-activation residual block of two in every stage
    public string BlockType { get; init; } = "plain";

    /// flatten: the last map's pixels keep their places; average: their mean
    public string Pooling { get; init; } = "flatten";

    public int EmbeddingDim { get; init; } = 128;

    /// Pixels a side of the last stage's map.
    internal int LastSize => ImageSize >> Channels.Length;

    /// Errors: a value this program has no implementation for, with file, key and value.
    public static ConvEncoderConfig Load(string path)
    {
        ConvEncoderConfig config = ConfigJson.Load<ConvEncoderConfig>(path, Only, strict: true);
        config.Check(path);
        return config;
    }

    internal byte[] ToJson() => ConfigJson.Write(this, ("model_type", "conv_encoder"));

    static readonly Dictionary<string, string[]> Only = new() { ["model_type"] = ["\"conv_encoder\""] };

    internal void Check(string source)
    {
        ConfigJson.Require(BlockType is "plain" or "residual", source, "block_type", BlockType, "plain or residual");
        ConfigJson.Require(Pooling is "flatten" or "average", source, "pooling", Pooling, "flatten or average");
        ConfigJson.Require(Channels.Length is >= 2 and <= 10, source, "channels", Channels.Length, "2 to 10 stages");
        ConfigJson.Require(NormNumGroups >= 1 && Channels.All(c => c >= 1 && c % NormNumGroups == 0), source, "norm_num_groups", NormNumGroups, "a divisor of every stage's channels");
        ConfigJson.Require(EmbeddingDim is >= 1 and <= 1 << 14, source, "embedding_dim", EmbeddingDim, "1 to 16384");
        ConfigJson.Require(
            ImageSize >= 1 << Channels.Length && ImageSize % (1 << Channels.Length) == 0, source, "image_size", ImageSize, $"a multiple of {1 << Channels.Length}");
    }
}
