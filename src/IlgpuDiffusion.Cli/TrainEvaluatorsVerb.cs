using System.CommandLine;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Training.Evaluators;

namespace IlgpuDiffusion.Cli;

/// `ilgd train evaluators`
sealed class TrainEvaluatorsVerb : Verb
{
    static readonly EvaluatorRecipe Standard = new();

    readonly Option<string[]> only;
    readonly Option<string> data;
    readonly Option<int> people;
    readonly Option<int> each;
    readonly Option<int> steps;
    readonly DeviceOptions device;
    readonly Option<string> outFolder;

    public TrainEvaluatorsVerb()
        : base(
            "evaluators",
            "Train the networks that judge pictures: two face recognisers, a DINO-like encoder, a CLIP-like pair. A run that was cut off goes on.",
            """
            ilgd train evaluators --data ../shared/data --out runs/evaluators
            ilgd train evaluators --only face --data ../shared/data --out runs/evaluators
            ilgd train evaluators --only clip --people 200 --each 4 --steps 20 --data ../shared/data --out /tmp/try
            """)
    {
        only = Option<string[]>("--only", "One of them; may be given several times. [default: all]", "NAME");
        only.AcceptOnlyFromAmong([.. EvaluatorTraining.Names]);
        data = Option<string>("--data", "Folder of the photo collections.", "DIR");
        data.Required = true;
        people = Number("--people", "Rendered people.", 100, 1_000_000, Standard.RenderedPeople);
        each = Number("--each", "Pictures rendered of each.", 2, 1000, Standard.PicturesEach);
        steps = Number("--steps", "Steps. [default: each one's own]", 1, 100_000_000);
        device = new DeviceOptions(this, trains: true);
        outFolder = Option<string>("--out", "Folder of the run: states, metrics, quality, and a folder for each network.", "DIR");
        outFolder.Required = true;
    }

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        EvaluatorRecipe recipe = Standard with { RenderedPeople = parsed.GetRequiredValue(people), PicturesEach = parsed.GetRequiredValue(each) };
        if (parsed.GetResult(steps) is not null)
        {
            int given = parsed.GetValue(steps);
            recipe = recipe with
            {
                Face = recipe.Face with { Steps = given },
                Judge = recipe.Judge with { Steps = given },
                Dino = recipe.Dino with { Steps = given },
                Clip = recipe.Clip with { Steps = given },
            };
        }

        TextWriter output = parsed.InvocationConfiguration.Output;
        using Device opened = device.Open(parsed, Observer);
        bool interactive = output == Console.Out && !Console.IsOutputRedirected;
        string[] names = parsed.GetValue(only) is { Length: > 0 } chosen ? chosen : [.. EvaluatorTraining.Names];
        new EvaluatorTraining(recipe, parsed.GetRequiredValue(data), parsed.GetRequiredValue(outFolder), opened, output, interactive, cancellation).Run(names);
        return 0;
    }
}
