using System.CommandLine;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Cli.Shell;

namespace IlgpuDiffusion.WeightsTools;

/// `weights-tools inspect`
sealed class InspectVerb : Verb
{
    readonly Argument<string> path;
    readonly JsonOption json;

    public InspectVerb()
        : base(
            "inspect",
            "Say what is in a file or model folder: an adapter's dialect, rank, strength and dead modules; a model's parts, parameters and types.",
            """
            weights-tools inspect out/adapter.safetensors
            weights-tools inspect weights-tools/face-mini --json
            """)
    {
        path = Argument("PATH", "A safetensors file, an adapter folder or a model folder.");
        json = new JsonOption(this);
    }

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        string what = parsed.GetRequiredValue(path);
        json.Print(parsed, SummaryOf(what));
        return 0;
    }

    static ISummary SummaryOf(string path) => PathKind.IsModel(path) && Directory.Exists(path) ? ModelSummary.Of(path)
        : !PathKind.IsAdapter(path) ? TensorSummary.Of(path)
        : LidbFile.Is(path) ? LidbSummary.Of(path)
        : AdapterSummary.Of(AdapterFile.Read(path));
}
