using System.CommandLine;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.WeightsTools;

/// `--dtype`: how numbers are stored.
sealed class StorageOption
{
    readonly Option<string?> dtype;

    public StorageOption(Verb verb, string standard)
    {
        dtype = verb.Option<string?>("--dtype", $"How numbers are stored; half precision rounds to nearest. [default: {standard}]");
        dtype.AcceptOnlyFromAmong("fp32", "fp16", "bf16");
    }

    /// Null where none was asked for.
    public SafetensorsDType? Of(ParseResult parsed) => parsed.GetValue(dtype) switch
    {
        "fp32" => SafetensorsDType.F32,
        "fp16" => SafetensorsDType.F16,
        "bf16" => SafetensorsDType.BF16,
        _ => null,
    };
}
