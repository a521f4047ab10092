using System.Text.Json.Serialization;

namespace IlgpuDiffusion.Models;

/// `unet/config.json` of diffusers' UNet2DConditionModel. Absent keys mean that library's defaults.
public sealed record UNetConfig
{
    /// Height and width of the latents it was trained on.
    public int? SampleSize { get; init; }

    public int InChannels { get; init; } = 4;

    public int OutChannels { get; init; } = 4;

    /// The input is x ↦ 2x − 1.
    public bool CenterInputSample { get; init; }

    public bool FlipSinToCos { get; init; } = true;

    public float FreqShift { get; init; }

    /// DownBlock2D or CrossAttnDownBlock2D, one a level.
    public string[] DownBlockTypes { get; init; } = ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"];

    /// UpBlock2D or CrossAttnUpBlock2D, from the coarsest level up.
    public string[] UpBlockTypes { get; init; } = ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"];

    public int[] BlockOutChannels { get; init; } = [320, 640, 1280, 1280];

    /// Resnets in a level on the way down; one more on the way up.
    public int LayersPerBlock { get; init; } = 2;

    /// 0 pads right and bottom only.
    public int DownsamplePadding { get; init; } = 1;

    public float MidBlockScaleFactor { get; init; } = 1;

    public int NormNumGroups { get; init; } = 32;

    public float NormEps { get; init; } = 1e-5f;

    public int CrossAttentionDim { get; init; } = 1280;

    public int TransformerLayersPerBlock { get; init; } = 1;

    /// Despite its name the number of heads, for all levels or one a level: the published name was wrong and stayed.
    [JsonConverter(typeof(IntOrListConverter))]
    public int[] AttentionHeadDim { get; init; } = [8];

    public bool UseLinearProjection { get; init; }

    /// Absent: four times the channels of the first level.
    public int? TimeEmbeddingDim { get; init; }

    public int ConvInKernel { get; init; } = 3;

    public int ConvOutKernel { get; init; } = 3;

    /// Stable Diffusion 1.5's.
    public static UNetConfig StableDiffusion { get; } = new() { SampleSize = 64, CrossAttentionDim = 768 };

    /// Errors: a value this program has no implementation for, with file, key and value.
    public static UNetConfig Load(string path)
    {
        UNetConfig config = ConfigJson.Load<UNetConfig>(path, Only, strict: true);
        config.Check(path);
        return config;
    }

    internal int Levels => BlockOutChannels.Length;

    internal int TimeChannels => TimeEmbeddingDim ?? BlockOutChannels[0] * 4;

    internal int Heads(int level) => AttentionHeadDim.Length == 1 ? AttentionHeadDim[0] : AttentionHeadDim[level];

    internal byte[] ToJson() => ConfigJson.Write(this, ("_class_name", "UNet2DConditionModel"));

    // Options of the published model that change its network, at the only values implemented. Not listed: those that default to null or false.
    static readonly Dictionary<string, string[]> Only = new()
    {
        ["_class_name"] = ["\"UNet2DConditionModel\""],
        ["act_fn"] = ["\"silu\"", "\"swish\""],
        ["addition_embed_type_num_heads"] = ["64"],
        ["attention_type"] = ["\"default\""],
        ["dropout"] = ["0"],
        ["mid_block_type"] = ["\"UNetMidBlock2DCrossAttn\""],
        ["resnet_out_scale_factor"] = ["1"],
        ["resnet_time_scale_shift"] = ["\"default\""],
        ["time_embedding_type"] = ["\"positional\""],
        ["upcast_attention"] = ["false", "true"],   // everything is float32 here
    };

    void Check(string source)
    {
        ConfigJson.Require(Levels is >= 1 and <= 8, source, "block_out_channels", Levels + " levels", "1 to 8");
        CheckTypes(source, "down_block_types", DownBlockTypes, "DownBlock2D", "CrossAttnDownBlock2D");
        CheckTypes(source, "up_block_types", UpBlockTypes, "UpBlock2D", "CrossAttnUpBlock2D");
        ConfigJson.Require(NormNumGroups >= 1, source, "norm_num_groups", NormNumGroups, "1 or more");
        ConfigJson.Require(
            AttentionHeadDim.Length == 1 || AttentionHeadDim.Length == Levels,
            source, "attention_head_dim", AttentionHeadDim.Length + " numbers", $"1, or {Levels} as block_out_channels");
        for (int i = 0; i < Levels; i++)
        {
            int c = BlockOutChannels[i];
            ConfigJson.Require(
                c is >= 1 and <= 1 << 14 && c % NormNumGroups == 0, source, "block_out_channels", c,
                $"a multiple of norm_num_groups {NormNumGroups}, at most 16384");
            ConfigJson.Require(
                Heads(i) >= 1 && c % Heads(i) == 0, source, "attention_head_dim", Heads(i),
                $"a divisor of block_out_channels {c} (it is the number of heads)");
        }

        ConfigJson.Require(InChannels is >= 1 and <= 1024, source, "in_channels", InChannels, "1 to 1024");
        ConfigJson.Require(OutChannels is >= 1 and <= 1024, source, "out_channels", OutChannels, "1 to 1024");
        ConfigJson.Require(LayersPerBlock is >= 1 and <= 64, source, "layers_per_block", LayersPerBlock, "1 to 64");
        ConfigJson.Require(TransformerLayersPerBlock is >= 1 and <= 64, source, "transformer_layers_per_block", TransformerLayersPerBlock, "1 to 64");
        ConfigJson.Require(CrossAttentionDim is >= 1 and <= 1 << 14, source, "cross_attention_dim", CrossAttentionDim, "1 to 16384");
        ConfigJson.Require(DownsamplePadding is 0 or 1, source, "downsample_padding", DownsamplePadding, "0 or 1");
        ConfigJson.Require(TimeChannels is >= 1 and <= 1 << 16, source, "time_embedding_dim", TimeChannels, "1 to 65536");
        ConfigJson.Require(NormEps > 0, source, "norm_eps", NormEps, "above 0");
        ConfigJson.Require(MidBlockScaleFactor > 0, source, "mid_block_scale_factor", MidBlockScaleFactor, "above 0");
        ConfigJson.Require(ConvInKernel is 1 or 3 or 5 or 7, source, "conv_in_kernel", ConvInKernel, "1, 3, 5 or 7");
        ConfigJson.Require(ConvOutKernel is 1 or 3 or 5 or 7, source, "conv_out_kernel", ConvOutKernel, "1, 3, 5 or 7");
    }

    void CheckTypes(string source, string key, string[] types, params string[] known)
    {
        ConfigJson.Require(types.Length == Levels, source, key, types.Length + " entries", $"{Levels} as block_out_channels");
        foreach (string type in types)
            ConfigJson.Require(known.Contains(type), source, key, type, string.Join(" or ", known));
    }
}
