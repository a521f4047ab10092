using System.CommandLine;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Training.HyperNetworks;

namespace IlgpuDiffusion.Cli;

/// `ilgd train hypernetwork`
sealed class TrainHypernetworkVerb : Verb
{
    static readonly HyperRecipe Standard = new();

    readonly Option<string?> model;
    readonly Option<string?> encoder;
    readonly Option<string?> from;
    readonly Option<double> realShare;
    readonly Option<string?> data;
    readonly Option<string?> targets;
    readonly Option<string> mode;
    readonly Option<string> preset;
    readonly Option<string> basis;
    readonly Option<string?> adapters;
    readonly Option<double> diffusionWeight;
    readonly Option<double> targetWeight;
    readonly LossOptions loss;
    readonly Option<int> refinements;
    readonly Option<int> people;
    readonly Option<int> each;
    readonly Option<int> batch;
    readonly Option<int> steps;
    readonly Option<double> learningRate;
    readonly Option<ulong> seed;
    readonly Option<int> probeEvery;
    readonly Option<int> probePeople;
    readonly DeviceOptions device;
    readonly Option<string> outFolder;

    public TrainHypernetworkVerb()
        : base(
            "hypernetwork",
            "Train the network that predicts a person's weights from one photo. Every so often it is probed on people never trained on. A run that was cut off goes on.",
            """
            ilgd train hypernetwork --encoder runs/evaluators/face --data ../shared/data --out runs/hyper
            ilgd train hypernetwork --from runs/hyper/hypernetwork --data ../shared/data --out runs/longer
            ilgd train hypernetwork --mode paper --targets runs/targets/targets.safetensors --encoder runs/evaluators/face --data ../shared/data --out runs/paper
            ilgd train hypernetwork --basis singular --encoder runs/evaluators/face --people 200 --each 3 --steps 20 --out /tmp/try
            """)
    {
        model = Option<string?>("--model", "The base model, in diffusers' layout. [default: the one that ships]", "DIR");
        encoder = Option<string?>("--encoder", "The frozen image encoder: a folder that `ilgd train evaluators` wrote, or any ViT of transformers for pictures of the model's size.", "DIR");
        from = Option<string?>("--from", "A hypernetwork of this model to go on from, with its encoder and its settings. [default: from nothing]", "DIR");
        data = Option<string?>("--data", "Folder of the photo collections. [default: rendered people alone]", "DIR");
        targets = Option<string?>("--targets", "People's fitted weights, from `ilgd train targets`.", "FILE");
        mode = Option<string>("--mode", "standard: all the encoder's tokens, learned bases, several pictures of a person; paper: one face token, frozen bases, one photo and prompt, both losses.");
        mode.DefaultValueFactory = _ => "standard";
        mode.AcceptOnlyFromAmong("standard", "paper");
        preset = Option<string>("--preset", "LiDB's sizes and layers.");
        preset.DefaultValueFactory = _ => Standard.Predictor.Preset;
        preset.AcceptOnlyFromAmong([.. LidbPreset.All.Select(p => p.Name)]);
        basis = Option<string>("--basis", "LiDB's directions: learned with the network from random ones, random, singular vectors of the layers, principal components of fitted adapters. [default: the mode's]");
        basis.AcceptOnlyFromAmong("learned", "random", "singular", "principal");
        adapters = Option<string?>("--adapters", "Folder with adapter files, for --basis principal.", "DIR");
        diffusionWeight = Number("--diffusion-weight", "Weight of the diffusion loss; 0 leaves it out. [default: the mode's]", 0.0, 1e6);
        targetWeight = Number("--target-weight", "Weight of the distance to the targets; 0 leaves it out. [default: the mode's]", 0.0, 1e6);
        loss = new LossOptions(this, "the mode's");
        refinements = Number("--refinements", "Times that the prediction is refined. [default: the mode's]", 1, 64);
        people = Number("--people", "Rendered people.", 1, 1_000_000, Standard.RenderedPeople);
        each = Number("--each", "Pictures rendered of each.", 2, 1000, Standard.PicturesEach);
        realShare = Number("--real-share", "Share of photographed people in a step.", 0.0, 1.0, Standard.RealShare);
        batch = Number("--batch", "People a step.", 1, 4096, Standard.People);
        steps = Number("--steps", "Steps.", 1, 100_000_000, Standard.Steps);
        learningRate = Number("--learning-rate", "Learning rate.", 1e-12, 1.0, Standard.LearningRate);
        seed = Number("--seed", "Of people, photos, timesteps and noise of the steps: another one than the first run's where a run goes on from it (--from).", 0ul, ulong.MaxValue, Standard.Seed);
        probeEvery = Number("--probe-every", "Steps between probes.", 1, 1_000_000, Standard.ProbeEvery);
        probePeople = Number("--probe-people", "People of each kind in a probe.", 2, 1000, Standard.ProbePeople);
        device = new DeviceOptions(this, trains: true);
        outFolder = Option<string>("--out", "Folder of the run.", "DIR");
        outFolder.Required = true;
        Validators.Add(result =>
        {
            bool goesOn = result.GetValue(from) is not null;
            if (!goesOn && result.GetValue(encoder) is null)
                result.AddError("name an image encoder with --encoder DIR, or a hypernetwork to go on from with --from DIR");
            if (goesOn && ((Option[])[encoder, mode, preset, basis, adapters, refinements]).FirstOrDefault(o => result.GetResult(o) is { Implicit: false }) is { } settled)
                result.AddError($"{settled.Name} is settled by the hypernetwork that --from names: leave it out");
        });
    }

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        HyperInputs inputs = new()
        {
            Model = parsed.GetValue(model) ?? ModelLocation.Default(),
            Encoder = parsed.GetValue(encoder),
            From = parsed.GetValue(from),
            Data = parsed.GetValue(data),
            Targets = parsed.GetValue(targets),
            Adapters = parsed.GetValue(adapters) is { } folder ? AdapterFiles(folder) : [],
            Out = parsed.GetRequiredValue(outFolder),
        };
        TextWriter output = parsed.InvocationConfiguration.Output;
        using Device opened = device.Open(parsed, Observer);
        bool interactive = output == Console.Out && !Console.IsOutputRedirected;
        new HyperTraining(Recipe(parsed), inputs, opened, output, interactive, cancellation).Run();
        return 0;
    }

    HyperRecipe Recipe(ParseResult parsed)
    {
        HyperRecipe start = parsed.GetRequiredValue(mode) == "paper" ? HyperRecipe.Paper : Standard;
        string? asked = parsed.GetValue(basis);
        (string? weighting, double? gamma) = loss.Of(parsed, start.LossWeighting, start.MinSnrGamma);
        return start with
        {
            Predictor = start.Predictor with
            {
                Preset = parsed.GetRequiredValue(preset),
                LearnBases = asked is null ? start.Predictor.LearnBases : asked == "learned",
                Basis = asked is null or "learned" ? "random" : asked,
                Refinements = Given(parsed, refinements, start.Predictor.Refinements),
            },
            DiffusionWeight = Given(parsed, diffusionWeight, start.DiffusionWeight),
            TargetWeight = Given(parsed, targetWeight, start.TargetWeight),
            MinSnrGamma = gamma,
            LossWeighting = weighting,
            RenderedPeople = parsed.GetRequiredValue(people),
            PicturesEach = parsed.GetRequiredValue(each),
            People = parsed.GetRequiredValue(batch),
            RealShare = parsed.GetRequiredValue(realShare),
            Steps = parsed.GetRequiredValue(steps),
            LearningRate = parsed.GetRequiredValue(learningRate),
            Seed = parsed.GetRequiredValue(seed),
            ProbeEvery = parsed.GetRequiredValue(probeEvery),
            ProbePeople = parsed.GetRequiredValue(probePeople),
        };
    }

    static IReadOnlyList<string> AdapterFiles(string folder) => Directory.Exists(folder)
        ? [.. Directory.EnumerateFiles(folder, "adapter.safetensors", SearchOption.AllDirectories).Order(StringComparer.Ordinal)]
        : throw new IlgdException($"{folder}: no such folder; it should hold adapter.safetensors files, as `ilgd personalize` writes them");
}
