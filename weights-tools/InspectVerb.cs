using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Cli.Shell;

namespace IlgpuDiffusion.WeightsTools;

/// `weights-tools inspect`
sealed class InspectVerb : Verb
{
    static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    readonly Argument<string> path;
    readonly Option<bool> json;

    public InspectVerb()
        : base(
            "inspect",
            "Say what is in a file or model folder: an adapter's dialect, rank, strength and dead modules; a model's parts, parameters and types.",
            """
            weights-tools inspect out/adapter.safetensors
            weights-tools inspect weights-tools/face-mini --json
            """)
    {
        path = Argument("PATH", "A safetensors file or a model folder.");
        json = Option<bool>("--json", "Everything, as JSON.");
    }

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        string what = parsed.GetRequiredValue(path);
        TextWriter output = parsed.InvocationConfiguration.Output;
        if (Directory.Exists(what))
            Print(parsed, output, ModelSummary.Of(what));
        else if (TensorSummary.IsAdapter(what))
            Print(parsed, output, LidbFile.Is(what) ? LidbSummary.Of(what) : AdapterSummary.Of(AdapterFile.Read(what)));
        else
            Print(parsed, output, TensorSummary.Of(what));
        return 0;
    }

    void Print<T>(ParseResult parsed, TextWriter output, T summary)
        where T : ISummary
    {
        if (parsed.GetValue(json))
            output.WriteLine(JsonSerializer.Serialize<object>(summary, Json));
        else
            summary.Lines().ToList().ForEach(output.WriteLine);
    }
}
