using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Personalization;

namespace IlgpuDiffusion.Evaluation;

/// All settings of `ilgd evaluate`.
public sealed record EvaluationRun
{
    /// Folders of people; each folder is a group with rows of its own.
    public required IReadOnlyList<string> People { get; init; }

    /// A folder in diffusers' layout, or a single-file checkpoint.
    public required string Model { get; init; }

    /// Of the weights files: fp16 takes `*.fp16.safetensors` where a component has it.
    public string? Variant { get; init; }

    /// For a single-file checkpoint: the folder that configs and tokenizer come from.
    public string? ModelConfig { get; init; }

    /// Folder of the hypernetwork for methods that start from a prediction.
    public string? Hypernetwork { get; init; }

    /// Where tables, page and results go; a run that finds results there goes on from them.
    public required string Out { get; init; }

    public required IReadOnlyList<Method> Methods { get; init; }

    /// Names of the methods that are also run from another person's prediction; null is all that start from a prediction.
    public IReadOnlyList<string>? Swapped { get; init; }

    public IReadOnlyList<EvaluationPrompt> Prompts { get; init; } = EvaluationPrompt.Standard;

    /// Every method is run on every person with the seeds 0, 1, … up to this many.
    public int Seeds { get; init; } = 1;

    /// Pictures of "a [V] face" and of "a face" beside those of the prompts: for retrieval, DIV and PRES.
    public int Samples { get; init; } = 4;

    /// Iterations at which a method is looked at, besides its last.
    public IReadOnlyList<int> Curve { get; init; } = [];

    /// Two of the methods for people to compare, by a page and its key; null is no study.
    public StudySettings? Study { get; init; }

    /// Folders of the networks that judge; null takes what lies in the model's folder.
    public string? FaceEncoder { get; init; }

    public string? Dino { get; init; }

    public string? Clip { get; init; }

    public Subject Subject { get; init; } = new();

    public Sampling Sampling { get; init; } = new();

    public string Device { get; init; } = "cpu";

    /// Of the device `cpu`; 0 is one for each core.
    public int Threads { get; init; }

    /// How the device `cpu` computes 3×3 convolutions.
    public ConvAlgorithm Conv { get; init; } = Tensors.Device.DefaultConv;
}
