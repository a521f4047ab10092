using System.CommandLine;
using IlgpuDiffusion.Cli.Shell;

namespace IlgpuDiffusion.Cli;

/// The program `ilgd`.
static class Ilgd
{
    /// Returns the exit code: 0 done, 1 an error, 2 wrong usage, 130 interrupted.
    public static int Run(string[] args, TextWriter output, TextWriter error)
    {
        RootCommand root = new("ilgd: diffusion models from the kernel to the picture, and personalisation from one photo.")
        {
            new PersonalizeVerb(),
            new GenerateVerb(),
            new DevicesVerb(),
            new Command("kernels", "Look at the kernels.") { new KernelsListVerb(), new KernelsDumpVerb(), new KernelsRunVerb() },
            new Command("train", "Train models.") { new TrainBaseVerb(), new TrainEvaluatorsVerb(), new TrainHypernetworkVerb(), new TrainTargetsVerb() },
        };
        return CommandShell.Run("ilgd", root, args, output, error);
    }
}
