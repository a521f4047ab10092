using System.CommandLine;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Cli;

/// `--device`, `--threads` and `--conv`; `--graphs` for verbs that train.
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

    readonly Option<bool> graphs = new("--graphs")
    {
        Description = "A training step's launches are handed over as one, on cuda as a CUDA graph (which no GPU has run yet), on opencl and cpu-sim from notes. The result is the same to the bit.",
    };

    /// `trains`: the verb runs training steps, the only ones that are the same again and again.
    public DeviceOptions(Command verb, bool trains = false)
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
        if (trains)
            verb.Add(graphs);
    }

    public string Name(ParseResult parsed) => parsed.GetRequiredValue(name);

    /// 0 is one for each core.
    public int Threads(ParseResult parsed) => parsed.GetValue(threads);

    public ConvAlgorithm Conv(ParseResult parsed) => Enum.Parse<ConvAlgorithm>(parsed.GetRequiredValue(conv), ignoreCase: true);

    public bool Graphs(ParseResult parsed) => parsed.GetValue(graphs);

    public Device Open(ParseResult parsed, IDeviceObserver? observer) => Device.Open(Name(parsed), Threads(parsed), Conv(parsed), observer, Graphs(parsed));

    static string Word(ConvAlgorithm algorithm) => algorithm.ToString().ToLowerInvariant();
}
