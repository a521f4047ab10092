using System.CommandLine;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Cli;

/// `--device` and `--threads`.
sealed class DeviceOptions
{
    readonly Option<string> name = new("--device")
    {
        Description = $"{string.Join(", ", Device.Names)}; `ilgd devices` lists what is here.",
        HelpName = "NAME",
        DefaultValueFactory = _ => "cpu",
    };

    readonly Option<int> threads = new("--threads") { Description = "Threads of the device cpu. [default: one for each core]", HelpName = "N" };

    public DeviceOptions(Command verb)
    {
        threads.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out int given) && (given is < 1 or > 1024))
                result.AddError($"--threads is {result.Tokens[0].Value}; expected 1 to 1024.");
        });
        verb.Add(name);
        verb.Add(threads);
    }

    public string Name(ParseResult parsed) => parsed.GetRequiredValue(name);

    /// 0 is one for each core.
    public int Threads(ParseResult parsed) => parsed.GetValue(threads);
}
