using IlgpuDiffusion.Data.World;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Models;

namespace IlgpuDiffusion.Training.Base;

/// The small model that ships: 64×64 pictures, 16×16×4 latents, Stable Diffusion's three networks at a hundredth of the size.
public static class FaceMini
{
    public const int PictureSize = 64;

    public static VaeConfig Vae { get; } = new()
    {
        BlockOutChannels = [32, 64, 64],
        LayersPerBlock = 1,
        NormNumGroups = 8,
        MidBlockAddAttention = false,
        ScalingFactor = 1,
    };

    /// No attention at 16×16: it nearly doubles the time of a step, and most of what a face needs there is local.
    public static UNetConfig UNet { get; } = new()
    {
        SampleSize = PictureSize / 4,
        BlockOutChannels = [64, 128, 128],
        LayersPerBlock = 1,
        DownBlockTypes = ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        UpBlockTypes = ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        NormNumGroups = 16,
        CrossAttentionDim = 128,
        AttentionHeadDim = [4],
    };

    public static ClipTextConfig Text { get; } = new()
    {
        VocabSize = WordVocabulary.FaceMini.Count,
        HiddenSize = 128,
        IntermediateSize = 512,
        NumHiddenLayers = 2,
        NumAttentionHeads = 4,
        MaxPositionEmbeddings = Captions.MaxTokens,
        HiddenAct = "quick_gelu",
        ProjectionDim = 128,
        BosTokenId = WordVocabulary.FaceMini.BeginId,
        EosTokenId = WordVocabulary.FaceMini.EndId,
        PadTokenId = WordVocabulary.FaceMini.EndId,
    };

    /// Stable Diffusion 1.5's schedule.
    public static SchedulerConfig Scheduler { get; } = new()
    {
        ClassName = "DDIMScheduler",
        BetaStart = 0.00085,
        BetaEnd = 0.012,
        BetaSchedule = BetaSchedule.ScaledLinear,
        SetAlphaToOne = false,
        StepsOffset = 1,
        ClipSample = false,
    };
}
