namespace IlgpuDiffusion.Training.Base;

/// How the model that ships is trained from nothing: `ilgd train base`.
public sealed record BaseRecipe
{
    /// Identities of the drawn world, and pictures rendered of them in all.
    public int Identities { get; init; } = 6000;

    public int DrawnPictures { get; init; } = 30000;

    /// Augmented pictures made from the photographs in all.
    public int RealPictures { get; init; } = 24000;

    public long PictureSeed { get; init; } = 3;

    /// A face-mini to go on from, or null: from nothing.
    public string? From { get; init; }

    public VaeRecipe Vae { get; init; } = new();

    public DenoiserRecipe Denoiser { get; init; } = new();

    /// Optimiser settings of both runs; the learning rates are the recipes'.
    public double Beta1 { get; init; } = 0.9;

    public double Beta2 { get; init; } = 0.99;

    public double WeightDecay { get; init; } = 0.01;

    public double MaxGradNorm { get; init; } = 1;

    public double EmaDecay { get; init; } = 0.999;
}
