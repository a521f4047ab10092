using System.Text.Json.Serialization;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Personalization;

/// A square of a photo, in pixels of the upright picture.
public readonly record struct CropBox(int X, int Y, int Size);

/// Where the direction of guidance comes from while an adapter is on.
public enum GuidanceFrom
{
    /// The adapted model itself: ε = ε(∅) + w (ε([V] text) − ε(∅)). One photo has no hats and no beaches, so what the adapter learned pulls against them.
    Own,

    /// The model as it was too, by what the text without [V] says beyond "a face": to Own is added w/2 (ε₀(text) − ε₀(class)). The person comes from the adapter,
    /// hats and beaches from the base, which has not forgotten them. Twice the passes a step. Prompts that do not name the person are guided as by Own.
    Both,
}

/// How pictures are drawn from a model.
public sealed record Sampling
{
    /// One of <see cref="Schedulers.Names"/>; null is the one that the model's scheduler_config.json names.
    public string? Scheduler { get; init; }

    public int Steps { get; init; } = 25;

    /// Where the timesteps lie; null is as the model's scheduler_config.json says. Left out of records where it is not given, so that results of earlier runs are found.
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public TimestepSpacing? Spacing { get; init; }

    /// The noise schedule is shifted so that its end has no signal left (Lin et al. 2023, algorithm 1), whatever the model's scheduler_config.json says. Left out of records likewise.
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool ZeroSnr { get; init; }

    /// w of classifier-free guidance (Ho and Salimans 2022); 1 and below samples from the text alone.
    public float Guidance { get; init; } = 4;

    /// Whose idea of the text guides an adapted model: see <see cref="GuidanceFrom"/>.
    public GuidanceFrom GuidanceFrom { get; init; } = GuidanceFrom.Both;

    /// With the scheduler by name, so that a record of the run says which it was.
    public Sampling For(DiffusionModel model) => this with { Scheduler = Scheduler ?? Schedulers.NameOf(model.Scheduler) };

    /// The model's settings, with what is given here in their place. Errors: no signal at the end for a model that predicts the noise.
    public SchedulerConfig Over(SchedulerConfig config) => ZeroSnr && config.PredictionType == PredictionType.Epsilon
        ? throw new IlgdException("this model predicts the noise, which says nothing of the picture where no signal is left: --zero-snr is for models that predict v or the sample")
        : config with { TimestepSpacing = Spacing ?? config.TimestepSpacing, RescaleBetasZeroSnr = ZeroSnr || config.RescaleBetasZeroSnr };
}

/// One photo in, pictures and adapter files out: all settings of `ilgd personalize`.
public sealed record PersonalizationRun
{
    public required string Photo { get; init; }

    /// The face; null takes the largest square in the middle.
    public CropBox? Crop { get; init; }

    /// A picture as large as the photo that says what of it is learned: white counts, black does not. Null is all.
    public string? Mask { get; init; }

    /// A folder in diffusers' layout, or a single-file checkpoint.
    public required string Model { get; init; }

    /// Of the weights files: fp16 takes `*.fp16.safetensors` where a component has it.
    public string? Variant { get; init; }

    /// For a single-file checkpoint: the folder that configs and tokenizer come from.
    public string? ModelConfig { get; init; }

    /// Folder of the hypernetwork that predicts the person, for methods that start from a prediction; null for the others.
    public string? Hypernetwork { get; init; }

    public required string Out { get; init; }

    public Method Method { get; init; } = Method.Lora;

    /// With `[V]` where the person's name would stand.
    public IReadOnlyList<string> Prompts { get; init; } = DefaultPrompts;

    public Subject Subject { get; init; } = new();

    public Sampling Sampling { get; init; } = new();

    /// Of training and of the pictures' noise.
    public ulong Seed { get; init; }

    public string Device { get; init; } = "cpu";

    /// Of the device `cpu`; 0 is one for each core.
    public int Threads { get; init; }

    /// How the device `cpu` computes 3×3 convolutions.
    public ConvAlgorithm Conv { get; init; } = Tensors.Device.DefaultConv;

    /// A step's launches are handed over as one: <see cref="LaunchGraph"/>. Left out of records where it is not asked for; nothing depends on it.
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Graphs { get; init; }

    /// Bytes that the whole run keeps within, by giving up what <see cref="MemoryPlan"/> says; null is no limit.
    public long? MemoryBudget { get; init; }

    /// Photos of other people, on whom the loss is measured too: what was learned should be of this person, not of faces in general.
    public IReadOnlyList<string> Others { get; init; } = [];

    /// Write into the adapter's header how it was made; without, only what other programs need to read it.
    public bool Metadata { get; init; } = true;

    /// Also write the finetuned model as a folder: the only file that a method which trains everything leaves.
    public bool SaveModel { get; init; }

    public static IReadOnlyList<string> DefaultPrompts { get; } =
    [
        "a [V] face",
        "a pencil sketch of a [V] face",
        "a [V] face smiling",
        "a [V] face wearing a red hat",
        "a [V] face in snow",
        "a [V] face on a beach",
        "pixel art of a [V] face",
        "pop art of a [V] face",
    ];
}
