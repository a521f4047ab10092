using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Evaluation;
using IlgpuDiffusion.Personalization;

namespace IlgpuDiffusion.Cli;

/// `ilgd evaluate`
sealed class EvaluateVerb : Verb
{
    readonly Option<string[]> people;
    readonly Option<string[]> methods;
    readonly Option<string[]?> swapped;
    readonly Option<string?> prompts;
    readonly Option<int> seeds;
    readonly Option<int> samples;
    readonly Option<int[]> curve;
    readonly StudyOptions study;
    readonly Option<string?> hypernetwork;
    readonly Option<string?> faceEncoder;
    readonly Option<string?> dino;
    readonly Option<string?> clip;
    readonly ModelOptions model;
    readonly SamplingOptions sampling;
    readonly Option<string> identifier;
    readonly Option<string> classNoun;
    readonly DeviceOptions device;
    readonly Option<string> outFolder;
    readonly Option<bool> json;

    public EvaluateVerb()
        : base(
            "evaluate",
            "Run methods of personalisation on people and judge the pictures: tables, curves and a page. A run that was cut off goes on.",
            """
            ilgd evaluate --people people --methods lora,lidb,dreambooth --out tables
            ilgd evaluate --people rendered --people london --methods all --seeds 3 --curve 0,5,10,20,40 --clip runs/evaluators/clip --out tables
            ilgd evaluate --people people --methods lora@steps=5,lora@steps=5@rank=1 --samples 0 --prompts few.txt --face-encoder runs/evaluators/face --out /tmp/try
            """)
    {
        people = Option<string[]>("--people", "A folder with a folder for each person: neutral.png, or else the first picture by name, is the photo, the others are truths. May be given several times.", "DIR");
        people.Required = true;
        methods = Option<string[]>("--methods", $"Which: all, or some of {string.Join(", ", Method.All.Select(m => m.Name))}; with other settings as NAME@SETTING=VALUE@…, of {string.Join(", ", MethodSetting.All.Select(s => s.Name))}.", "NAME,…");
        methods.Required = true;
        methods.AllowMultipleArgumentsPerToken = true;
        methods.CustomParser = Names;
        swapped = Option<string[]?>("--swapped", "Methods that are also run from another person's prediction, as a control. [default: all that start from a prediction]", "NAME,…");
        swapped.AllowMultipleArgumentsPerToken = true;
        swapped.CustomParser = argument => [.. Items(argument)];
        prompts = Option<string?>("--prompts", "A file with one prompt a line, and after a bar what must be true of the picture. [default: the 30 that are fixed]", "FILE");
        seeds = Number("--seeds", "Runs of every method on every person.", 1, 1000, 1);
        samples = Number("--samples", "Further pictures of the plain prompt and of the class, for retrieval, DIV and PRES.", 0, 1000, 4);
        curve = Option<int[]>("--curve", "Iterations at which methods are looked at too. [default: their last alone]", "N,…");
        curve.AllowMultipleArgumentsPerToken = true;
        curve.CustomParser = Numbers;
        study = new StudyOptions(this, methods);
        hypernetwork = Option<string?>("--hypernetwork", $"Folder of a hypernetwork, for methods that start from its prediction. [default: the model's folder {PersonPredictor.FolderName}]", "DIR");
        faceEncoder = Option<string?>("--face-encoder", "Recognises faces: a network of `ilgd train evaluators`, a ViT, or facenet-pytorch's. [default: the model's evaluators/judge or face]", "DIR");
        dino = Option<string?>("--dino", "Says how alike pictures are: a network of `ilgd train evaluators`, or DINO's ViT. [default: the model's evaluators/dino]", "DIR");
        clip = Option<string?>("--clip", "Says whether pictures follow prompts: the pair of `ilgd train evaluators`, or CLIP. [default: the model's evaluators/clip]", "DIR");
        model = new ModelOptions(this);
        sampling = new SamplingOptions(this, "--sampling-steps");
        identifier = Option<string>("--identifier", "The rare word that [V] becomes.", "WORD");
        identifier.DefaultValueFactory = _ => new Subject().Identifier;
        classNoun = Option<string>("--class", "What the photos show, in a word the model knows.", "WORD");
        classNoun.DefaultValueFactory = _ => new Subject().ClassNoun;
        device = new DeviceOptions(this);
        outFolder = Option<string>("--out", "Folder for tables, page and results.", "DIR");
        outFolder.Required = true;
        json = Option<bool>("--json", "Print table.json instead of a summary.");
        Validators.Add(result =>
        {
            if (result.GetValue(swapped) is { } names && names.FirstOrDefault(name => result.GetValue(methods)?.Contains(name) == false) is { } stranger)
                result.AddError($"--swapped: '{stranger}' is none of the methods that --methods names.");
        });
    }

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        bool forMachine = parsed.GetValue(json);
        (TextWriter output, TextWriter error) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
        EvaluationRun run = Settings(parsed);
        EvaluationResult result = new Evaluator(run, PhaseLines.For(forMachine, output, error).Report, cancellation: cancellation) { Observer = Observer }.Run();
        if (forMachine)
        {
            output.WriteLine(File.ReadAllText(Path.Combine(run.Out, "table.json")));
            return 0;
        }

        output.WriteLine($"{result.Made} trials run, {result.Found} taken from an earlier run");
        foreach (TableRow row in result.Rows)
            output.WriteLine($"{row.Method}: {string.Join(", ", row.Scores.Select(s => string.Create(CultureInfo.InvariantCulture, $"{s.Key.Name} {s.Value.Mean:0.000}")))}");
        foreach (string why in result.Rows.SelectMany(row => row.Absent).Where(a => result.Rows.All(row => row.Absent.ContainsKey(a.Key))).Select(a => $"{a.Key.Name} not measured: {a.Value}").Distinct())
            output.WriteLine(why);
        output.WriteLine($"open {Path.Combine(run.Out, "report.html")}");
        if (run.Study is not null)
            output.WriteLine($"send {Path.Combine(run.Out, "study.html")} round and keep {StudyKey.FileName}: ilgd study {Path.Combine(run.Out, StudyKey.FileName)} ANSWERS…");
        return 0;
    }

    EvaluationRun Settings(ParseResult parsed) => new()
    {
        People = parsed.GetRequiredValue(people),
        Model = model.Path(parsed),
        Variant = model.Variant(parsed),
        ModelConfig = model.Config(parsed),
        Methods = [.. parsed.GetRequiredValue(methods).Select(MethodSetting.Parse)],
        Swapped = parsed.GetValue(swapped) is { Length: > 0 } names ? names : null,
        Prompts = parsed.GetValue(prompts) is { } file ? EvaluationPrompt.Read(file) : EvaluationPrompt.Standard,
        Seeds = parsed.GetRequiredValue(seeds),
        Samples = parsed.GetRequiredValue(samples),
        Curve = parsed.GetValue(curve) ?? [],
        Study = study.Of(parsed),
        Hypernetwork = parsed.GetValue(hypernetwork) ?? PersonPredictor.In(model.Path(parsed)),
        FaceEncoder = parsed.GetValue(faceEncoder),
        Dino = parsed.GetValue(dino),
        Clip = parsed.GetValue(clip),
        Subject = new Subject(parsed.GetRequiredValue(identifier), parsed.GetRequiredValue(classNoun)),
        Sampling = sampling.Of(parsed),
        Device = device.Name(parsed),
        Threads = device.Threads(parsed),
        Conv = device.Conv(parsed),
        Out = parsed.GetRequiredValue(outFolder),
    };

    internal static IEnumerable<string> Items(ArgumentResult argument) =>
        argument.Tokens.SelectMany(token => token.Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));

    static string[] Names(ArgumentResult argument)
    {
        string[] names = [.. Items(argument).SelectMany(name => name == "all" ? Method.All.Select(m => m.Name) : [name]).Distinct()];
        foreach (string name in names)
        {
            try
            {
                MethodSetting.Parse(name);
            }
            catch (IlgdException e)
            {
                argument.AddError($"--methods: {e.Message}.");
            }
        }

        return names;
    }

    static int[] Numbers(ArgumentResult argument)
    {
        List<int> numbers = [];
        foreach (string item in Items(argument))
        {
            if (int.TryParse(item, CultureInfo.InvariantCulture, out int number) && number >= 0)
                numbers.Add(number);
            else
                argument.AddError($"--curve: '{item}' is not a number of iterations.");
        }

        return [.. numbers];
    }
}
