namespace IlgpuDiffusion.Models;

/// `vae/config.json` of diffusers' AutoencoderKL. Absent keys mean that library's defaults.
public sealed record VaeConfig
{
    /// Height and width of the pictures it was trained on.
    public int? SampleSize { get; init; }

    public int InChannels { get; init; } = 3;

    public int OutChannels { get; init; } = 3;

    public int LatentChannels { get; init; } = 4;

    /// Every level but the last halves the picture.
    public int[] BlockOutChannels { get; init; } = [64];

    /// Resnets in a level of the encoder; the decoder has one more.
    public int LayersPerBlock { get; init; } = 1;

    public int NormNumGroups { get; init; } = 32;

    /// Latents times this have unit variance: what the UNet is trained on.
    public float ScalingFactor { get; init; } = 0.18215f;

    public bool MidBlockAddAttention { get; init; } = true;

    public bool UseQuantConv { get; init; } = true;

    public bool UsePostQuantConv { get; init; } = true;

    /// Stable Diffusion 1.5's.
    public static VaeConfig StableDiffusion { get; } = new() { SampleSize = 512, BlockOutChannels = [128, 256, 512, 512], LayersPerBlock = 2 };

    /// Errors: a value this program has no implementation for, with file, key and value.
    public static VaeConfig Load(string path)
    {
        VaeConfig config = ConfigJson.Load<VaeConfig>(path, Only, strict: true);
        config.Check(path);
        return config;
    }

    /// Pixels of the picture to one of the latent, along each axis.
    public int Downscale => 1 << (BlockOutChannels.Length - 1);

    internal byte[] ToJson() => ConfigJson.Write(
        this,
        ("_class_name", "AutoencoderKL"),
        ("down_block_types", Array.ConvertAll(BlockOutChannels, _ => "DownEncoderBlock2D")),
        ("up_block_types", Array.ConvertAll(BlockOutChannels, _ => "UpDecoderBlock2D")));

    // The block types are lists of one word; their length must be that of block_out_channels, which the weights' names and shapes prove.
    static readonly Dictionary<string, string[]> Only = new()
    {
        ["_class_name"] = ["\"AutoencoderKL\""],
        ["act_fn"] = ["\"silu\"", "\"swish\""],
        ["down_block_types"] = Repeated("DownEncoderBlock2D"),
        ["up_block_types"] = Repeated("UpDecoderBlock2D"),
        ["force_upcast"] = ["false", "true"],   // everything is float32 here
        ["shift_factor"] = ["null", "0"],
    };

    static string[] Repeated(string type) =>
        [.. Enumerable.Range(1, 8).Select(n => $"[{string.Join(", ", Enumerable.Repeat($"\"{type}\"", n))}]")];

    void Check(string source)
    {
        ConfigJson.Require(BlockOutChannels.Length is >= 1 and <= 8, source, "block_out_channels", BlockOutChannels.Length + " levels", "1 to 8");
        ConfigJson.Require(NormNumGroups >= 1, source, "norm_num_groups", NormNumGroups, "1 or more");
        foreach (int c in BlockOutChannels)
        {
            ConfigJson.Require(
                c is >= 1 and <= 1 << 14 && c % NormNumGroups == 0, source, "block_out_channels", c,
                $"a multiple of norm_num_groups {NormNumGroups}, at most 16384");
        }

        ConfigJson.Require(InChannels is >= 1 and <= 1024, source, "in_channels", InChannels, "1 to 1024");
        ConfigJson.Require(OutChannels is >= 1 and <= 1024, source, "out_channels", OutChannels, "1 to 1024");
        ConfigJson.Require(LatentChannels is >= 1 and <= 1024, source, "latent_channels", LatentChannels, "1 to 1024");
        ConfigJson.Require(LayersPerBlock is >= 1 and <= 64, source, "layers_per_block", LayersPerBlock, "1 to 64");
        ConfigJson.Require(ScalingFactor > 0, source, "scaling_factor", ScalingFactor, "above 0");
    }
}
