using System.CommandLine;
using IlgpuDiffusion.Cli.Shell;

namespace IlgpuDiffusion.WeightsTools;

/// The program `weights-tools`.
static class Tools
{
    /// Returns the exit code: 0 done, 1 an error, 2 wrong usage, 130 interrupted.
    public static int Run(string[] args, TextWriter output, TextWriter error) => CommandShell.Run(
        "weights-tools",
        new RootCommand("weights-tools: look into weight files, check, convert and compare them, and make sample people and models.")
        {
            new InspectVerb(), new VerifyVerb(), new ConvertVerb(), new DiffVerb(), new MergeVerb(), new ExtractVerb(), new MakeFormulaVerb(), new MakeWorldVerb(),
        },
        args,
        output,
        error);
}
