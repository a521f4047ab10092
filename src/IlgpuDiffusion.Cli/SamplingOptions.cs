using System.CommandLine;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Personalization;

namespace IlgpuDiffusion.Cli;

/// How pictures are drawn: steps, `--guidance`, `--guidance-from`, `--scheduler`, `--spacing`, `--zero-snr`. `stepsName`: --steps, or another name where a verb has other steps too.
sealed class SamplingOptions
{
    readonly Option<int> steps;
    readonly Option<float> guidance;
    readonly Option<string> guidanceFrom;
    readonly Option<string?> scheduler;
    readonly Option<string?> spacing;
    readonly Option<bool> zeroSnr;

    public SamplingOptions(Verb verb, string stepsName)
    {
        steps = verb.Number(stepsName, "Denoising steps a picture.", 1, 1000, new Sampling().Steps);
        guidance = verb.Number("--guidance", "How strongly pictures follow the prompt; 1 and below is off.", 0f, 100f, new Sampling().Guidance);
        guidanceFrom = verb.Option<string>("--guidance-from", "Whose idea of the prompt guides where it names the person: the adapted model's own, or that of the model as it was too (both).");
        guidanceFrom.DefaultValueFactory = _ => "both";
        guidanceFrom.AcceptOnlyFromAmong("both", "own");
        scheduler = verb.Option<string?>("--scheduler", "The sampler. [default: the one that the model's scheduler_config.json names]");
        scheduler.AcceptOnlyFromAmong([.. Schedulers.Names]);
        spacing = verb.Option<string?>("--spacing", "Where the sampler's timesteps lie. [default: as the model's scheduler_config.json says]");
        spacing.AcceptOnlyFromAmong([.. Enum.GetNames<TimestepSpacing>().Select(name => name.ToLowerInvariant())]);
        zeroSnr = verb.Option<bool>("--zero-snr", "Shift the noise schedule so that its end has no signal left: for models that predict v.");
    }

    public Sampling Of(ParseResult parsed) => new()
    {
        Scheduler = parsed.GetValue(scheduler),
        Spacing = parsed.GetValue(spacing) is { } name ? Enum.Parse<TimestepSpacing>(name, ignoreCase: true) : null,
        ZeroSnr = parsed.GetValue(zeroSnr),
        Steps = parsed.GetRequiredValue(steps),
        Guidance = parsed.GetRequiredValue(guidance),
        GuidanceFrom = Enum.Parse<GuidanceFrom>(parsed.GetRequiredValue(guidanceFrom), ignoreCase: true),
    };
}
