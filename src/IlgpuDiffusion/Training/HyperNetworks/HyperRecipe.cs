using System.Text.Json.Serialization;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Personalization;

namespace IlgpuDiffusion.Training.HyperNetworks;

/// How a hypernetwork is trained: `ilgd train hypernetwork`.
public sealed record HyperRecipe
{
    public PredictorSettings Predictor { get; init; } = new();

    public int RenderedPeople { get; init; } = 4000;

    public int PicturesEach { get; init; } = 6;

    public int RealPicturesEach { get; init; } = 24;

    public long PictureSeed { get; init; } = 17;

    public int Steps { get; init; } = 20000;

    /// People a step, each with weights of their own.
    public int People { get; init; } = 32;

    public double RealShare { get; init; } = 0.4;

    /// Share of samples whose picture is the very photo that the network sees. The others are the person in another picture, under a prompt that says what is in it, so that
    /// the person is learned and not the photo, and prompts go on being followed.
    public double SamePictureShare { get; init; } = 0.4;

    /// α of the diffusion loss; 0 leaves it out.
    public double DiffusionWeight { get; init; } = 1;

    /// γ of Min-SNR weights of the diffusion loss (Hang et al. 2023); null weighs all timesteps alike, and then half of the loss is of timesteps with so little noise that
    /// nobody's weights matter there.
    public double? MinSnrGamma { get; init; } = 5;

    /// One of <see cref="LossWeightings.Names"/>; null is Min-SNR where there is its γ, else all alike. Left out of records where it is not given, so that earlier runs go on.
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? LossWeighting { get; init; }

    /// β of |θ̂ − θ|², relative to the mean of |θ|²; 0 leaves it out. Needs targets.
    public double TargetWeight { get; init; }

    public double LearningRate { get; init; } = 5e-4;

    /// Learning rates of the mean prediction and of learned bases, in units of the network's.
    public double MeanRate { get; init; } = 4;

    public double BasisRate { get; init; } = 1.5;

    public double Beta2 { get; init; } = 0.98;

    public double WeightDecay { get; init; } = 0.01;

    public int WarmupSteps { get; init; } = 50;

    public ulong Seed { get; init; } = 23;

    /// Steps between probes, people of each kind in one, and (timestep, noise) pairs of each of them.
    public int ProbeEvery { get; init; } = 500;

    public int ProbePeople { get; init; } = 64;

    public int ProbePairs { get; init; } = 8;

    /// Of a probe's noise: the same in every run, so that runs can be compared.
    public ulong ProbeSeed { get; init; } = 23;

    /// As the paper has it: one photo, one prompt, both losses.
    public static HyperRecipe Paper { get; } = new() { Predictor = PredictorSettings.Paper, SamePictureShare = 1, TargetWeight = 0.1, MinSnrGamma = null };
}
