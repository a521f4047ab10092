using System.CommandLine;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Diffusion;

namespace IlgpuDiffusion.Cli;

/// `--loss-weighting` and `--snr-gamma`: what a timestep's loss counts for. `whose`: whose settings hold where neither is given
sealed class LossOptions
{
    readonly Option<string?> weighting;
    readonly Option<double> gamma;

    public LossOptions(Verb verb, string whose)
    {
        weighting = verb.Option<string?>("--loss-weighting", $"What a timestep's loss counts for, by its signal-to-noise ratio; scale-v is for models that predict v. [default: {whose}]");
        weighting.AcceptOnlyFromAmong([.. LossWeightings.Names]);
        gamma = verb.Number("--snr-gamma", $"Weigh timesteps by Min-SNR with this gamma (5 in the paper). [default: {whose}]", 1e-3, 1e9);
        verb.Validators.Add(result =>
        {
            if (result.GetValue(weighting) is { } name and not "min-snr" && result.GetResult(gamma) is { Implicit: false })
                result.AddError($"--snr-gamma is min-snr's, and --loss-weighting is {name}: leave one of the two out.");
        });
    }

    /// What was given; where nothing was, `otherwise` and `otherGamma`.
    public (string? Weighting, double? Gamma) Of(ParseResult parsed, string? otherwise, double? otherGamma)
    {
        double? given = parsed.GetResult(gamma) is { Implicit: false } ? parsed.GetValue(gamma) : null;
        if (parsed.GetValue(weighting) is { } name)
            return (name, name == "min-snr" ? given ?? otherGamma : null);
        return given is null ? (otherwise, otherGamma) : (null, given);
    }
}
