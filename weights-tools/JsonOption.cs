using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using IlgpuDiffusion.Cli.Shell;

namespace IlgpuDiffusion.WeightsTools;

/// `--json`: a summary for machines.
sealed class JsonOption(Verb verb)
{
    static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    readonly Option<bool> option = verb.Option<bool>("--json", "Everything, as JSON.");

    public void Print(ParseResult parsed, ISummary summary)
    {
        TextWriter output = parsed.InvocationConfiguration.Output;
        if (parsed.GetValue(option))
            output.WriteLine(JsonSerializer.Serialize<object>(summary, Json));
        else
            summary.Lines().ToList().ForEach(output.WriteLine);
    }
}
