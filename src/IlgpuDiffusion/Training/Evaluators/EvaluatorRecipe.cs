using IlgpuDiffusion.Data.World;
using IlgpuDiffusion.Models;

namespace IlgpuDiffusion.Training.Evaluators;

/// Settings of one evaluator's training.
public sealed record ContrastRecipe
{
    public int Steps { get; init; } = 4000;

    /// People in a step.
    public int People { get; init; } = 64;

    /// Pictures of each person in a step.
    public int Pictures { get; init; } = 2;

    public double RealShare { get; init; } = 0.375;

    public double LearningRate { get; init; } = 1e-3;

    public int WarmupSteps { get; init; } = 100;

    public double WeightDecay { get; init; } = 0.05;

    public float Temperature { get; init; } = 0.08f;

    public float Margin { get; init; }

    public ulong Seed { get; init; }
}

/// How the networks that judge are trained from nothing: `ilgd train evaluators`.
public sealed record EvaluatorRecipe
{
    public int RenderedPeople { get; init; } = 4000;

    public int PicturesEach { get; init; } = 6;

    public int RealPicturesEach { get; init; } = 24;

    public long PictureSeed { get; init; } = 11;

    public double EmaDecay { get; init; } = 0.999;

    /// What the hypernetwork sees persons with.
    public ContrastRecipe Face { get; init; } = new() { Margin = 0.1f, Seed = 101 };

    /// What its pictures are judged with: another seed and another architecture, so that nobody is his own judge.
    public ContrastRecipe Judge { get; init; } = new() { Margin = 0.1f, Seed = 202 };

    public ContrastRecipe Dino { get; init; } = new() { Pictures = 1, RealShare = 0.3, Temperature = 0.1f, Seed = 303 };

    public ContrastRecipe Clip { get; init; } = new() { People = 24, Pictures = 4, RealShare = 0.25, Temperature = 0.07f, Steps = 6000, Seed = 404 };

    public static ConvEncoderConfig FaceNetwork { get; } = new();

    public static ConvEncoderConfig JudgeNetwork { get; } = new() { Channels = [32, 64, 128, 192], BlockType = "residual", Pooling = "average" };

    public static ConvEncoderConfig ClipPictures { get; } = new();

    public static VitConfig DinoNetwork { get; } = new()
    {
        HiddenSize = 128,
        NumHiddenLayers = 4,
        NumAttentionHeads = 4,
        IntermediateSize = 512,
        ImageSize = 64,
        PatchSize = 8,
    };

    public static ClipTextConfig ClipTexts { get; } = new()
    {
        VocabSize = WordVocabulary.FaceMini.Count,
        HiddenSize = 128,
        IntermediateSize = 512,
        NumHiddenLayers = 2,
        NumAttentionHeads = 4,
        MaxPositionEmbeddings = Captions.MaxTokens,
        ProjectionDim = 128,
        BosTokenId = WordVocabulary.FaceMini.BeginId,
        EosTokenId = WordVocabulary.FaceMini.EndId,
        PadTokenId = WordVocabulary.FaceMini.EndId,
    };
}
