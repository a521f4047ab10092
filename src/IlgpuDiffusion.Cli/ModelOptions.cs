using System.CommandLine;
using IlgpuDiffusion.Cli.Shell;

namespace IlgpuDiffusion.Cli;

/// `--model`, `--variant` and `--model-config`.
sealed class ModelOptions(Verb verb)
{
    readonly Option<string?> path = verb.Option<string?>("--model", "A model folder in diffusers' layout, or a single-file checkpoint. [default: the one that ships]", "PATH");
    readonly Option<string?> variant = verb.Option<string?>("--variant", "Take the weights files of this variant where a model folder has them.", "fp16");
    readonly Option<string?> config = verb.Option<string?>("--model-config", "For a single-file checkpoint: a model folder to take configs and tokenizer from.", "DIR");

    public string Path(ParseResult parsed) => parsed.GetValue(path) ?? ModelLocation.Default();

    public string? Variant(ParseResult parsed) => parsed.GetValue(variant);

    public string? Config(ParseResult parsed) => parsed.GetValue(config);
}
