using System.CommandLine;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Cli;

/// `--device`, `--threads` and `--conv`.
sealed class DeviceOptions
{
    readonly Option<string> name = new("--device")
    {
        Description = $"{string.Join(", ", Device.Names)}; `ilgd devices` lists what is here.",
        HelpName = "NAME",
        DefaultValueFactory = _ => "cpu",
    };

    readonly Option<int> threads = new("--threads") { Description = "Threads of the device cpu. [default: one for each core]", HelpName = "N" };

    readonly Option<string> conv = new("--conv")
    {
        Description = "3x3 convolutions of the device cpu: direct, or by Winograd's F(2x2) or F(4x4), which is faster and rounds differently.",
        DefaultValueFactory = _ => Word(Device.DefaultConv),
    };

    public DeviceOptions(Command verb)
    {
        threads.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out int given) && (given is < 1 or > 1024))
                result.AddError($"--threads is {result.Tokens[0].Value}; expected 1 to 1024.");
        });
        verb.Add(name);
        verb.Add(threads);
        conv.AcceptOnlyFromAmong([.. Enum.GetValues<ConvAlgorithm>().Select(Word)]);
        verb.Add(conv);
    }

    public string Name(ParseResult parsed) => parsed.GetRequiredValue(name);

    /// 0 is one for each core.
    public int Threads(ParseResult parsed) => parsed.GetValue(threads);

    public ConvAlgorithm Conv(ParseResult parsed) => Enum.Parse<ConvAlgorithm>(parsed.GetRequiredValue(conv), ignoreCase: true);

    public Device Open(ParseResult parsed, IDeviceObserver? observer) => Device.Open(Name(parsed), Threads(parsed), Conv(parsed), observer);

    static string Word(ConvAlgorithm algorithm) => algorithm.ToString().ToLowerInvariant();
}
