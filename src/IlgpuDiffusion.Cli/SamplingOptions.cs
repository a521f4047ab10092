using System.CommandLine;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Personalization;

namespace IlgpuDiffusion.Cli;

/// How pictures are drawn: steps, `--guidance`, `--guidance-from`, `--scheduler`. `stepsName`: --steps, or another name where a verb has other steps too.
sealed class SamplingOptions
{
    readonly Option<int> steps;
    readonly Option<float> guidance;
    readonly Option<string> guidanceFrom;
    readonly Option<string?> scheduler;

    public SamplingOptions(Verb verb, string stepsName)
    {
        steps = verb.Number(stepsName, "Denoising steps a picture.", 1, 1000, new Sampling().Steps);
        guidance = verb.Number("--guidance", "How strongly pictures follow the prompt; 1 and below is off.", 0f, 100f, new Sampling().Guidance);
        guidanceFrom = verb.Option<string>("--guidance-from", "Whose idea of the prompt guides where it names the person: the adapted model's own, or that of the model as it was too (both).");
        guidanceFrom.DefaultValueFactory = _ => "both";
        guidanceFrom.AcceptOnlyFromAmong("both", "own");
        scheduler = verb.Option<string?>("--scheduler", "The sampler. [default: the one that the model's scheduler_config.json names]");
        scheduler.AcceptOnlyFromAmong([.. Schedulers.Names]);
    }

    public Sampling Of(ParseResult parsed) => new()
    {
        Scheduler = parsed.GetValue(scheduler),
        Steps = parsed.GetRequiredValue(steps),
        Guidance = parsed.GetRequiredValue(guidance),
        GuidanceFrom = Enum.Parse<GuidanceFrom>(parsed.GetRequiredValue(guidanceFrom), ignoreCase: true),
    };
}
