using System.CommandLine;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.WeightsTools;

/// `weights-tools diff`
sealed class DiffVerb : Verb
{
    readonly Argument<string> first;
    readonly Argument<string> second;
    readonly Option<string?> model;
    readonly JsonOption json;

    public DiffVerb()
        : base(
            "diff",
            "Compare two weight files or folders, number by number; adapters of any dialects by their ΔW. Ends with 0 where they are the same, with 1 where not.",
            """
            weights-tools diff out/adapter.safetensors me-diffusers.safetensors
            weights-tools diff weights-tools/face-mini out/model --json
            """)
    {
        first = Argument("FIRST", "An adapter, a safetensors file, or a folder of them.");
        second = Argument("SECOND", "What to compare it with.");
        model = Option<string?>("--model", "For compact LiDB: the model that it was learned on.", "DIR");
        json = new JsonOption(this);
    }

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        (string a, string b) = (parsed.GetRequiredValue(first), parsed.GetRequiredValue(second));
        DiffSummary summary = PathKind.IsAdapter(a) && PathKind.IsAdapter(b)
            ? DiffSummary.OfAdapters(PathKind.ReadAdapter(a, parsed.GetValue(model)), PathKind.ReadAdapter(b, parsed.GetValue(model)))
            : DiffSummary.OfTensors(a, b);
        json.Print(parsed, summary);
        return summary.Same ? 0 : 1;
    }
}
