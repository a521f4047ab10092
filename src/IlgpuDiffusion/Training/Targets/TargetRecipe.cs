using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Personalization;

namespace IlgpuDiffusion.Training.Targets;

/// How people's weights are fitted one by one for a hypernetwork to learn: `ilgd train targets`.
public sealed record TargetRecipe
{
    public string Preset { get; init; } = LidbPreset.Mini.Name;

    public ulong BasisSeed { get; init; } = Finetuning.LidbSeed;

    public int Steps { get; init; } = 110;

    /// (timestep, noise) pairs a step, the same for everybody.
    public int Pairs { get; init; } = 1;

    public double LearningRate { get; init; } = 3e-2;

    public int WarmupSteps { get; init; } = 10;

    public double Beta1 { get; init; } = 0.9;

    public double Beta2 { get; init; } = 0.99;

    public double Epsilon { get; init; } = 1e-8;

    /// People that are fitted together and share second moments. Groups do not depend on how many shards there are.
    public int Group { get; init; } = 32;

    public ulong Seed { get; init; } = 29;
}
