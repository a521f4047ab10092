using System.CommandLine;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Cli;

/// The program `ilgd`.
static class Ilgd
{
    /// Returns the exit code: 0 done, 1 an error, 2 wrong usage, 130 interrupted.
    public static int Run(string[] args, TextWriter output, TextWriter error) => CommandShell.Run("ilgd", Root(observer: null), args, output, error);

    /// All verbs. `observer` is told what their devices do.
    public static RootCommand Root(IDeviceObserver? observer)
    {
        RootCommand root = new("ilgd: diffusion models from the kernel to the picture, and personalisation from one photo.")
        {
            new PersonalizeVerb(),
            new GenerateVerb(),
            new EvaluateVerb(),
            new StudyVerb(),
            new InterpolateVerb(),
            new DevicesVerb(),
            new Command("kernels", "Look at the kernels.") { new KernelsListVerb(), new KernelsDumpVerb(), new KernelsRunVerb() },
            new ProfileVerb(),
            new Command("train", "Train models.") { new TrainBaseVerb(), new TrainEvaluatorsVerb(), new TrainHypernetworkVerb(), new TrainTargetsVerb() },
        };
        foreach (Verb verb in root.Subcommands.SelectMany(c => c.Subcommands.Prepend(c)).OfType<Verb>())
            verb.Observer = observer;
        return root;
    }
}
