using System.Text.Json.Serialization;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Training;

namespace IlgpuDiffusion.Personalization;

/// What of the model a method trains.
public enum Trains
{
    /// All weights of UNet and text encoder.
    Everything,

    /// A low-rank update on the attention and GEGLU projections (Hu et al. 2022).
    Lora,

    /// The low-dimensional update of HyperDreamBooth between frozen orthonormal bases.
    Lidb,

    /// The identifier's rows of the token table (Gal et al. 2023).
    TextualInversion,
}

/// What a method does with a hypernetwork's prediction.
public enum PredictionUse
{
    /// It has none.
    None,

    /// Added to the model and left as it is: a LoRA beside it is trained (HyperDreamBooth, section 4.3).
    Frozen,

    /// The first rank of the LoRA that is trained.
    Trained,
}

/// The directions between which LiDB works.
public enum LidbBasis
{
    /// The paper's: random orthonormal.
    Random,

    /// The layers' own strongest: singular vectors of W.
    Singular,
}

/// A method of personalisation is a record of settings, not a fork of the trainer.
public sealed record Method
{
    public required string Name { get; init; }

    public required Trains Trains { get; init; }

    /// Of a LoRA's training: what it starts from.
    public PredictionUse Prediction { get; init; }

    /// Times that a prediction is refined; 0 is as often as the hypernetwork was trained to.
    public int Refinements { get; init; }

    /// Of the update; 0, for a prediction alone, trains nothing.
    public int Rank { get; init; } = 4;

    /// Of a low-rank update that does not start from a prediction, which has the layers of its hypernetwork.
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public LayerSet Layers { get; init; }

    /// Of LiDB.
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public LidbBasis Basis { get; init; }

    /// LiDB's basis sizes on the input and the output side.
    public int A { get; init; } = 32;

    public int B { get; init; } = 16;

    /// Optimiser iterations.
    public int Steps { get; init; } = 40;

    /// (timestep, noise) pairs an iteration: the largest knob found. Of large latents fewer are taken: <see cref="For"/>.
    public int Pairs { get; init; } = 24;

    /// The pairs are somebody's wish, whatever the latents. In no record, because a record holds the pairs that were taken.
    [JsonIgnore]
    public bool PairsAsked { get; init; }

    public int WarmupSteps { get; init; } = 5;

    public AdamWSettings Optimizer { get; init; } = new();

    public double MaxGradNorm { get; init; } = 1;

    /// γ of Min-SNR loss weights (Hang et al. 2023).
    public double? MinSnrGamma { get; init; }

    /// One of <see cref="LossWeightings.Names"/>; null is Min-SNR where there is its γ, else all alike. Left out of records where it is not given, as are the next two and the layers, so that results
    /// of earlier runs are found.
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? LossWeighting { get; init; }

    /// See <see cref="NoisyBatch.WithOffset"/>; 0 is none.
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public double NoiseOffset { get; init; }

    /// γ of <see cref="NoisyBatch.WithPerturbation"/>; 0 is none.
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public double InputPerturbation { get; init; }

    /// Prior preservation (Ruiz et al. 2023, eq. 2): pairs of class pictures made by the frozen model, added to each iteration; 0 is none.
    public int PriorPairs { get; init; }

    /// As <see cref="PairsAsked"/>.
    [JsonIgnore]
    public bool PriorPairsAsked { get; init; }

    public double PriorWeight { get; init; } = 1;

    /// Class pictures to make for it.
    public int PriorPictures { get; init; } = 16;

    public static Method Lora { get; } = new()
    {
        Name = "lora",
        Trains = Trains.Lora,
        Rank = 16,
        Steps = 60,
        Optimizer = new AdamWSettings { LearningRate = 3e-3, WeightDecay = 0 },
    };

    public static Method Lidb { get; } = new()
    {
        Name = "lidb",
        Trains = Trains.Lidb,
        Rank = 1,
        Steps = 80,
        Optimizer = new AdamWSettings { LearningRate = 3e-2, WeightDecay = 0 },
    };

    public static Method DreamBooth { get; } = new()
    {
        Name = "dreambooth",
        Trains = Trains.Everything,
        Optimizer = new AdamWSettings { LearningRate = 2e-4, WeightDecay = 0.01 },
    };

    /// Both stages of the paper: a prediction, then forty iterations of a LoRA of a higher rank beside it.
    public static Method HyperDreamBooth { get; } = new()
    {
        Name = "hyperdreambooth",
        Trains = Trains.Lora,
        Prediction = PredictionUse.Frozen,
        Rank = 12,
        Pairs = 8,
        Optimizer = new AdamWSettings { LearningRate = 3e-3, WeightDecay = 0 },
    };

    /// HyperDreamBooth with its prediction trained on too.
    public static Method HyperTrained { get; } = HyperDreamBooth with { Name = "hyper-trained", Prediction = PredictionUse.Trained };

    /// Table 3: the second stage without the first.
    public static Method NoHyper { get; } = HyperDreamBooth with { Name = "no-hyper", Prediction = PredictionUse.None };

    /// Table 3: the first stage without the second.
    public static Method OnlyHyper { get; } = HyperDreamBooth with { Name = "only-hyper", Rank = 0, Steps = 0 };

    /// Table 3: both stages, the prediction refined once.
    public static Method K1 { get; } = HyperDreamBooth with { Name = "k1", Refinements = 1 };

    public static Method DreamBoothPrior { get; } = DreamBooth with { Name = "dreambooth-prior", PriorPairs = 6 };

    /// Table 2, by the paper's numbers of iterations, 400 and then 40; the learning rates are the sweep's (bench/Tables.md).
    public static Method DreamBoothAgg1 { get; } = DreamBooth with { Name = "dreambooth-agg-1", Steps = 400, Pairs = 2, Optimizer = DreamBooth.Optimizer with { LearningRate = 1e-4 } };

    public static Method DreamBoothAgg2 { get; } = DreamBooth with { Name = "dreambooth-agg-2", Pairs = 4, Optimizer = DreamBooth.Optimizer with { LearningRate = 4e-4 } };

    public static Method TextualInversion { get; } = new()
    {
        Name = "textual-inversion",
        Trains = Trains.TextualInversion,
        Steps = 80,
        Pairs = 12,
        Optimizer = new AdamWSettings { LearningRate = 6e-2, WeightDecay = 0 },
    };

    public static IReadOnlyList<Method> All { get; } =
    [
        HyperDreamBooth, HyperTrained, NoHyper, OnlyHyper, K1, Lora, Lidb, DreamBooth, DreamBoothPrior, DreamBoothAgg1, DreamBoothAgg2, TextualInversion,
    ];

    /// The method on a model's latents. It takes no more pairs an iteration than go through the network together (<see cref="MemorySettings.PairsAtOnce"/>): 24 on latents of 16 × 16, one on
    /// the 64 × 64 of Stable Diffusion, which has the noise of sixteen small ones to average over and takes the time of sixteen. One is also what kohya's trainer takes where nothing is said.
    /// Pairs that were asked for stay.
    public Method For(DiffusionModel model)
    {
        long side = model.UNet.Config.SampleSize ?? 64;
        int most = MemorySettings.PairsAtOnce(side * side);
        return this with { Pairs = PairsAsked ? Pairs : Math.Min(Pairs, most), PriorPairs = PriorPairsAsked ? PriorPairs : Math.Min(PriorPairs, most) };
    }

    /// What is done where nothing is said: both stages where there is a hypernetwork, else the one that needs none.
    public static Method Default(bool hypernetwork) => hypernetwork ? HyperDreamBooth : Lora;

    public static Method ByName(string name) => All.FirstOrDefault(m => m.Name == name)
        ?? throw new IlgdException($"unknown method '{name}': use one of {string.Join(", ", All.Select(m => m.Name))}");
}
