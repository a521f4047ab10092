using System.CommandLine;
using System.Globalization;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Evaluation;
using IlgpuDiffusion.Personalization;

namespace IlgpuDiffusion.Cli;

/// `ilgd interpolate PHOTO OTHER`
sealed class InterpolateVerb : Verb
{
    readonly Argument<string> from;
    readonly Argument<string> to;
    readonly ModelOptions model;
    readonly Option<string?> hypernetwork;
    readonly Option<int> positions;
    readonly Option<string[]> prompts;
    readonly Option<ulong> seed;
    readonly Option<string?> faceEncoder;
    readonly SamplingOptions sampling;
    readonly DeviceOptions device;
    readonly Option<string> outFolder;
    readonly Option<bool> json;

    public InterpolateVerb()
        : base(
            "interpolate",
            "Draw the way from one person to another in the space that the hypernetwork predicts people in.",
            """
            ilgd interpolate me.jpg you.jpg
            ilgd interpolate me.jpg you.jpg --positions 9 --prompt "a [V] face" --out between
            """)
    {
        from = Argument("PHOTO", "A picture of one face.");
        to = Argument("OTHER", "Another person's.");
        model = new ModelOptions(this);
        hypernetwork = Option<string?>("--hypernetwork", $"Folder of a hypernetwork. [default: the model's folder {PersonPredictor.FolderName}]", "DIR");
        positions = Number("--positions", "Places on the way, the two people among them.", 2, 100, 5);
        prompts = Option<string[]>("--prompt", "What to draw; [V] stands for the person. May be given several times. [default: four of them]", "TEXT");
        seed = Number("--seed", "Of the pictures' noise, the same at every place.", 0ul, ulong.MaxValue, 0ul);
        faceEncoder = Option<string?>("--face-encoder", "Says how like each of the two the pictures are. [default: the model's evaluators/judge or face]", "DIR");
        sampling = new SamplingOptions(this, "--sampling-steps");
        device = new DeviceOptions(this);
        outFolder = Option<string>("--out", "Folder for the sheet, the likenesses and their chart.", "DIR");
        outFolder.DefaultValueFactory = _ => "out";
        json = Option<bool>("--json", "Print interpolation.json instead of a summary.");
    }

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        bool forMachine = parsed.GetValue(json);
        (TextWriter output, TextWriter error) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
        InterpolationRun run = Settings(parsed);
        InterpolationRecord record = new Interpolator(run, PhaseLines.For(forMachine, output, error).Report, cancellation: cancellation) { Observer = Observer }.Run();
        if (forMachine)
        {
            output.WriteLine(record.ToJson());
            return 0;
        }

        foreach (InterpolationPoint point in record.Points)
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{100 * point.At,3:0} %: like the first {Three(point.LikeFrom)}, like the second {Three(point.LikeTo)}"));
        output.WriteLine($"open {Path.Combine(run.Out, "interpolation.png")}");
        return 0;
    }

    InterpolationRun Settings(ParseResult parsed)
    {
        InterpolationRun run = new()
        {
            From = parsed.GetRequiredValue(from),
            To = parsed.GetRequiredValue(to),
            Model = model.Path(parsed),
            Variant = model.Variant(parsed),
            ModelConfig = model.Config(parsed),
            Hypernetwork = parsed.GetValue(hypernetwork) ?? PersonPredictor.In(model.Path(parsed))
                ?? throw new IlgdException($"{model.Path(parsed)}: has no {PersonPredictor.FolderName} folder, so nothing can be predicted: name one with --hypernetwork DIR"),
            Positions = parsed.GetRequiredValue(positions),
            Seed = parsed.GetRequiredValue(seed),
            FaceEncoder = parsed.GetValue(faceEncoder),
            Sampling = sampling.Of(parsed),
            Device = device.Name(parsed),
            Threads = device.Threads(parsed),
            Conv = device.Conv(parsed),
            Out = parsed.GetRequiredValue(outFolder),
        };
        return parsed.GetValue(prompts) is { Length: > 0 } asked ? run with { Prompts = asked } : run;
    }

    static string Three(double? value) => value?.ToString("0.000", CultureInfo.InvariantCulture) ?? "not measured";
}
