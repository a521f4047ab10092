using System.CommandLine;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Personalization;

namespace IlgpuDiffusion.Cli;

/// `ilgd personalize PHOTO`
sealed class PersonalizeVerb : Verb
{
    readonly Argument<string> photo;
    readonly ModelOptions model;
    readonly Option<string?> method;
    readonly Option<string?> hypernetwork;
    readonly Option<string[]> prompts;
    readonly Option<string?> promptFile;
    readonly Option<int> steps;
    readonly Option<int> pairs;
    readonly Option<int> rank;
    readonly Option<double> learningRate;
    readonly LossOptions loss;
    readonly Option<double> noiseOffset;
    readonly Option<double> ipNoiseGamma;
    readonly Option<ulong> seed;
    readonly Option<CropBox?> crop;
    readonly Option<string?> mask;
    readonly Option<int> prior;
    readonly SamplingOptions sampling;
    readonly Option<string> identifier;
    readonly Option<string> classNoun;
    readonly Option<string?> others;
    readonly Option<bool> saveModel;
    readonly Option<bool> noMetadata;
    readonly DeviceOptions device;
    readonly MemoryOptions memory;
    readonly Option<string> outFolder;
    readonly Option<bool> json;

    public PersonalizeVerb()
        : base(
            "personalize",
            "Finetune a model on one photo of a face and draw pictures of that person.",
            """
            ilgd personalize me.jpg
            ilgd personalize me.jpg --crop 120,80,400 --prompt "a pencil sketch of a [V] face" --prompt "a [V] face in snow" --out me
            ilgd personalize me.jpg --method lidb --steps 120 --seed 7 --json
            ilgd personalize me.jpg --method dreambooth --prior 4 --save-model
            ilgd personalize me.jpg --method only-hyper --hypernetwork runs/hyper/hypernetwork
            """)
    {
        photo = Argument("PHOTO", "A picture of one face: PNG, JPEG, WebP, BMP or GIF.");
        model = new ModelOptions(this);
        method = Option<string?>(
            "--method",
            $"How. [default: {Method.HyperDreamBooth.Name} where the model has a hypernetwork, which predicts the person before {Method.HyperDreamBooth.Steps} iterations, else {Method.Lora.Name}]");
        method.AcceptOnlyFromAmong([.. Method.All.Select(m => m.Name)]);
        hypernetwork = Option<string?>("--hypernetwork", $"Folder of a hypernetwork, as `ilgd train hypernetwork` writes it. [default: the model's folder {PersonPredictor.FolderName}]", "DIR");
        prompts = Option<string[]>("--prompt", "What to draw; [V] stands for the person. May be given several times. [default: eight of them]", "TEXT");
        promptFile = Option<string?>("--prompts", "A file with one prompt a line.", "FILE");
        steps = Number("--steps", "Finetuning steps. [default: the method's]", 1, 100_000);
        pairs = Number("--pairs", "Noisy copies of the photo a step. [default: the method's, or as many as go through the network at once: one of 512 pixels]", 1, 1024);
        rank = Number("--rank", "Rank of the update. [default: the method's]", 1, 16);
        learningRate = Number("--learning-rate", "Learning rate. [default: the method's]", 1e-12, 10.0);
        loss = new LossOptions(this, "none, all alike");
        noiseOffset = Number("--noise-offset", "Noise of one colour all over the latent beside each pixel's own, so that brightness is learned too; 0.05 to 0.1 is usual.", 0.0, 1.0, 0.0);
        ipNoiseGamma = Number("--ip-noise-gamma", "Input perturbation: so much more noise in what the network sees than in what it is to find; 0.1 in the paper.", 0.0, 1.0, 0.0);
        seed = Number("--seed", "Of training and pictures: the same seed gives the same files.", 0ul, ulong.MaxValue, 0ul);
        crop = Option<CropBox?>("--crop", "The face: left, top and side of a square in pixels. [default: the largest in the middle]", "X,Y,SIZE");
        crop.CustomParser = CropText.Parse;
        mask = Option<string?>("--mask", "A picture as large as the photo: what is white there is learned, what is black is not. [default: all of the face's square is]", "FILE");
        prior = Number("--prior", "Pictures of the class a step that hold the model to what it knew (prior preservation). [default: the method's]", 0, 1024);
        sampling = new SamplingOptions(this, "--sampling-steps");
        identifier = Option<string>("--identifier", "The rare word that [V] becomes.", "WORD");
        identifier.DefaultValueFactory = _ => new Subject().Identifier;
        classNoun = Option<string>("--class", "What the photo shows, in a word the model knows.", "WORD");
        classNoun.DefaultValueFactory = _ => new Subject().ClassNoun;
        others = Option<string?>("--others", "A folder of people: the loss is measured on nine of them too, to tell this person from faces in general.", "DIR");
        noMetadata = Option<bool>("--no-metadata", "Leave out of the adapter's header how it was made: only what other programs need to read it stays.");
        saveModel = Option<bool>("--save-model", "Also write the finetuned model as a folder.");
        device = new DeviceOptions(this, trains: true);
        memory = new MemoryOptions(this);
        outFolder = Option<string>("--out", "Folder for report, pictures and adapter.", "DIR");
        outFolder.DefaultValueFactory = _ => "out";
        json = Option<bool>("--json", "Print run.json instead of a summary.");
    }

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        bool forMachine = parsed.GetValue(json);
        (TextWriter output, TextWriter error) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
        PersonalizationRun run = Settings(parsed);
        if (run.Hypernetwork is null && parsed.GetValue(method) is null && !forMachine)
            output.WriteLine($"{run.Model}: has no hypernetwork, so nothing is predicted: method {run.Method.Name}");
        PhaseLines lines = PhaseLines.For(forMachine, output, error);
        RunRecord record = new Personalizer(run, lines.Report, cancellation) { Observer = Observer, Planned = lines.Report }.Run();
        if (forMachine)
        {
            output.WriteLine(record.ToJson());
            return 0;
        }

        output.WriteLine($"{record.SecondsInAll:0.0} s, {record.PeakMemoryBytes / 1e6:0} MB at most, loss on the photo {record.PhotoLossBefore:0.0000} before, {record.PhotoLossAfter:0.0000} after");
        output.WriteLine($"open {Path.Combine(run.Out, "report.html")}");
        return 0;
    }

    PersonalizationRun Settings(ParseResult parsed)
    {
        string? predictor = parsed.GetValue(hypernetwork) ?? PersonPredictor.In(model.Path(parsed));
        Method chosen = parsed.GetValue(method) is { } name ? Method.ByName(name) : Method.Default(predictor is not null);
        (string? weighting, double? gamma) = loss.Of(parsed, chosen.LossWeighting, chosen.MinSnrGamma);
        chosen = chosen with
        {
            Steps = Given(parsed, steps, chosen.Steps),
            Pairs = Given(parsed, pairs, chosen.Pairs),
            PairsAsked = parsed.GetResult(pairs) is { Implicit: false },
            Rank = Given(parsed, rank, chosen.Rank),
            MinSnrGamma = gamma,
            LossWeighting = weighting,
            NoiseOffset = parsed.GetValue(noiseOffset),
            InputPerturbation = parsed.GetValue(ipNoiseGamma),
            PriorPairs = Given(parsed, prior, chosen.PriorPairs),
            PriorPairsAsked = parsed.GetResult(prior) is { Implicit: false },
            Optimizer = chosen.Optimizer with { LearningRate = Given(parsed, learningRate, chosen.Optimizer.LearningRate) },
        };
        List<string> texts = [.. parsed.GetValue(prompts) ?? []];
        if (parsed.GetValue(promptFile) is { } file)
            texts.AddRange(Prompts.Read(file));
        return new PersonalizationRun
        {
            Photo = parsed.GetRequiredValue(photo),
            Crop = parsed.GetValue(crop),
            Mask = parsed.GetValue(mask),
            Model = model.Path(parsed),
            Variant = model.Variant(parsed),
            ModelConfig = model.Config(parsed),
            Method = chosen,
            Hypernetwork = chosen.Prediction == PredictionUse.None ? null : predictor,
            Prompts = texts.Count > 0 ? texts : PersonalizationRun.DefaultPrompts,
            Subject = new Subject(parsed.GetRequiredValue(identifier), parsed.GetRequiredValue(classNoun)),
            Sampling = sampling.Of(parsed),
            Seed = parsed.GetRequiredValue(seed),
            Device = device.Name(parsed),
            Threads = device.Threads(parsed),
            Conv = device.Conv(parsed),
            Graphs = device.Graphs(parsed),
            MemoryBudget = memory.Budget(parsed),
            Others = parsed.GetValue(others) is { } people ? OtherPeople(people, parsed.GetRequiredValue(photo)) : [],
            Metadata = !parsed.GetValue(noMetadata),
            SaveModel = parsed.GetValue(saveModel),
            Out = parsed.GetRequiredValue(outFolder),
        };
    }

    // The first nine who are not the person in the photo.
    static IReadOnlyList<string> OtherPeople(string folder, string photo)
    {
        string own = Path.GetDirectoryName(Path.GetFullPath(photo))!;
        return [.. People.Photos(folder).Where(other => Path.GetDirectoryName(Path.GetFullPath(other)) != own).Take(9)];
    }
}
