using System.CommandLine;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Training.Base;

namespace IlgpuDiffusion.Cli;

/// `ilgd train base`
sealed class TrainBaseVerb : Verb
{
    static readonly BaseRecipe Standard = new();

    readonly Option<string> data;
    readonly Option<int> drawn;
    readonly Option<int> real;
    readonly Option<int> vaeSteps;
    readonly Option<int> steps;
    readonly Option<double> learningRate;
    readonly Option<string?> from;
    readonly DeviceOptions device;
    readonly Option<string> outFolder;

    public TrainBaseVerb()
        : base(
            "base",
            "Train face-mini, the small model that ships, from nothing: autoencoder, then UNet and text encoder. Hours on two cores; a run that was cut off goes on.",
            """
            ilgd train base --data ../shared/data --out runs/face-mini
            ilgd train base --data ../shared/data --out runs/longer --from runs/face-mini/model --learning-rate 5e-4
            ilgd train base --data ../shared/data --out /tmp/try --drawn 200 --real 0 --vae-steps 20 --steps 20
            """)
    {
        data = Option<string>("--data", "Folder of the photo collections.", "DIR");
        data.Required = true;
        drawn = Number("--drawn", "Rendered pictures.", 1, 10_000_000, Standard.DrawnPictures);
        real = Number("--real", "Augmented pictures made from photos.", 0, 10_000_000, Standard.RealPictures);
        vaeSteps = Number("--vae-steps", "Steps of the autoencoder.", 1, 100_000_000, Standard.Vae.Steps);
        steps = Number("--steps", "Steps of UNet and text encoder.", 1, 100_000_000, Standard.Denoiser.Steps);
        learningRate = Number("--learning-rate", "Highest learning rate of UNet and text encoder.", 1e-9, 1, Standard.Denoiser.LearningRate);
        from = Option<string?>("--from", "A face-mini to go on from; its autoencoder stays as it is. [default: from nothing]", "DIR");
        device = new DeviceOptions(this, trains: true);
        outFolder = Option<string>("--out", "Folder of the run: states, metrics, samples, and the model.", "DIR");
        outFolder.Required = true;
    }

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        BaseRecipe recipe = Standard with
        {
            DrawnPictures = parsed.GetRequiredValue(drawn),
            RealPictures = parsed.GetRequiredValue(real),
            From = parsed.GetValue(from),
            Vae = Standard.Vae with { Steps = parsed.GetRequiredValue(vaeSteps) },
            Denoiser = Standard.Denoiser with { Steps = parsed.GetRequiredValue(steps), LearningRate = parsed.GetRequiredValue(learningRate) },
        };
        TextWriter output = parsed.InvocationConfiguration.Output;
        using Device opened = device.Open(parsed, Observer);
        bool interactive = output == Console.Out && !Console.IsOutputRedirected;
        new BaseTraining(recipe, parsed.GetRequiredValue(data), parsed.GetRequiredValue(outFolder), opened, output, interactive, cancellation).Run();
        return 0;
    }
}
