using System.CommandLine;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Training.Targets;

namespace IlgpuDiffusion.Cli;

/// `ilgd train targets`
sealed class TrainTargetsVerb : Verb
{
    static readonly TargetRecipe Standard = new();

    readonly Option<string?> model;
    readonly Option<string> people;
    readonly Option<string?> shard;
    readonly Option<bool> merge;
    readonly Option<string?> encoder;
    readonly Option<string> preset;
    readonly Option<int> steps;
    readonly Option<int> pairs;
    readonly Option<int> group;
    readonly DeviceOptions device;
    readonly Option<string> outFolder;

    public TrainTargetsVerb()
        : base(
            "targets",
            "Fit the weights of many people, for a hypernetwork to learn. Any number of machines share the work; finished parts are skipped.",
            """
            ilgd train targets --people people --out runs/targets
            ilgd train targets --people people --out runs/targets --shard 2/8
            ilgd train targets --people people --out runs/targets --merge --encoder runs/evaluators/face
            """)
    {
        model = Option<string?>("--model", "The base model, in diffusers' layout. [default: the one that ships]", "DIR");
        people = Option<string>("--people", "A folder with a folder for each person, as weights-tools make-world makes.", "DIR");
        people.Required = true;
        shard = Option<string?>("--shard", "Which part of the work: index from 0, and count. [default: that of the SLURM array or Kubernetes indexed job (with JOB_COMPLETIONS), else all]", "I/N");
        merge = Option<bool>("--merge", "Join the parts into one file, if all are there.");
        encoder = Option<string?>("--encoder", "With --merge: also measure how much of the targets this image encoder's view of the photos explains.", "DIR");
        preset = Option<string>("--preset", "LiDB's sizes and layers.");
        preset.DefaultValueFactory = _ => Standard.Preset;
        preset.AcceptOnlyFromAmong([.. LidbPreset.All.Select(p => p.Name)]);
        steps = Number("--steps", "Steps.", 1, 1_000_000, Standard.Steps);
        pairs = Number("--pairs", "Timesteps and noises a step.", 1, 1024, Standard.Pairs);
        group = Number("--group", "People fitted together.", 1, 100_000, Standard.Group);
        device = new DeviceOptions(this);
        outFolder = Option<string>("--out", "Folder of parts and result.", "DIR");
        outFolder.Required = true;
    }

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        TargetRecipe recipe = Standard with
        {
            Preset = parsed.GetRequiredValue(preset),
            Steps = parsed.GetRequiredValue(steps),
            Pairs = parsed.GetRequiredValue(pairs),
            Group = parsed.GetRequiredValue(group),
        };
        Shard part = parsed.GetValue(shard) is { } text ? Shard.Parse(text) : Shard.FromEnvironment(Environment.GetEnvironmentVariable);
        TextWriter output = parsed.InvocationConfiguration.Output;
        using Device opened = device.Open(parsed, Observer);
        bool interactive = output == Console.Out && !Console.IsOutputRedirected;
        TargetTraining training = new(
            recipe, parsed.GetValue(model) ?? ModelLocation.Default(), parsed.GetRequiredValue(people), parsed.GetRequiredValue(outFolder), opened, output, interactive, cancellation);
        if (!parsed.GetValue(merge))
        {
            training.Fit(part);
            return 0;
        }

        TargetSet targets = training.Merge();
        if (parsed.GetValue(encoder) is { } folder)
            training.Learnability(targets, folder);
        return 0;
    }
}
