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
}

/// A method of personalisation is a record of settings, not a fork of the trainer.
public sealed record Method
{
    public required string Name { get; init; }

    public required Trains Trains { get; init; }

    public int Rank { get; init; } = 4;

    /// LiDB's basis sizes on the input and the output side.
    public int A { get; init; } = 32;

    public int B { get; init; } = 16;

    /// Optimiser iterations.
    public int Steps { get; init; } = 40;

    /// (timestep, noise) pairs an iteration: the largest knob found.
    public int Pairs { get; init; } = 24;

    public int WarmupSteps { get; init; } = 5;

    public AdamWSettings Optimizer { get; init; } = new();

    public double MaxGradNorm { get; init; } = 1;

    /// γ of Min-SNR loss weights (Hang et al. 2023); null weighs all timesteps alike.
    public double? MinSnrGamma { get; init; }

    /// Prior preservation (Ruiz et al. 2023, eq. 2): pairs of class pictures made by the frozen model, added to each iteration; 0 is none.
    public int PriorPairs { get; init; }

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
        Optimizer = new AdamWSettings { LearningRate = 1e-4, WeightDecay = 0.01 },
    };

    public static IReadOnlyList<Method> All { get; } = [Lora, Lidb, DreamBooth];

    public static Method ByName(string name) => All.FirstOrDefault(m => m.Name == name)
        ?? throw new IlgdException($"unknown method '{name}': use one of {string.Join(", ", All.Select(m => m.Name))}");
}
