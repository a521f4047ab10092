using System.CommandLine.Parsing;
using System.Globalization;
using IlgpuDiffusion.Personalization;

namespace IlgpuDiffusion.Cli.Shell;

/// `PATH` or `PATH:WEIGHT`.
static class AdapterText
{
    // What follows the last colon is a weight only if it is a number: C:\lora.safetensors is a file.
    public static AdapterUse[] Parse(ArgumentResult argument) =>
    [
        .. argument.Tokens.Select(token => token.Value.LastIndexOf(':') is var colon and > 0
            && float.TryParse(token.Value.AsSpan(colon + 1), NumberStyles.Float, CultureInfo.InvariantCulture, out float weight) && float.IsFinite(weight)
                ? new AdapterUse(token.Value[..colon], weight)
                : new AdapterUse(token.Value, 1)),
    ];
}
