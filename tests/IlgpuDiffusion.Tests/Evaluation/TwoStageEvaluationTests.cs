using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Data.World;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Evaluation;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Personalization;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Cli;
using IlgpuDiffusion.Tests.Training.HyperNetworks;

namespace IlgpuDiffusion.Tests.Evaluation;

/// Methods that start from a hypernetwork's prediction, and all the others beside them.
public sealed class TwoStageEvaluationTests : IClassFixture<HyperWorkshop>
{
    readonly HyperWorkshop workshop;
    readonly string people, hypernetwork;

    public TwoStageEvaluationTests(HyperWorkshop workshop)
    {
        this.workshop = workshop;
        people = Path.Combine(workshop.Model.Root, "people");
        hypernetwork = Path.Combine(workshop.Model.Root, "hypernetwork");
        for (int i = 0; i < 2; i++)
        {
            float[] rgb = FaceRenderer.Render(FaceIdentity.Sample(FaceIdentity.FirstHeldOut + i), FaceNuisance.Plain, new FaceContext(), 48);
            ImageFile.SavePng(Path.Combine(people, $"person{i}", "neutral.png"), new RgbImage(48, 48, Array.ConvertAll(rgb, v => (byte)(v * 255))));
        }

        if (!Directory.Exists(hypernetwork))
            SaveHypernetwork(workshop, hypernetwork);
    }

    [Fact]
    public void Every_method_has_its_row_and_leaves_the_model_as_it_was()
    {
        EvaluationRun run = Settings([.. Method.All.Select(m => m with { Steps = Math.Min(m.Steps, 1), Pairs = 1, PriorPictures = 2 })]);
        EvaluationResult result = Run(run);
        Assert.Equal(Method.All.Select(m => m.Name), result.Rows.Where(r => r.Kind == RowKind.Method).Select(r => r.Method));
        Assert.Equal(
            Method.All.Where(m => m.Prediction != PredictionUse.None).Select(m => $"{m.Name}, another person's prediction"),
            result.Rows.Where(r => r.Method.EndsWith("another person's prediction", StringComparison.Ordinal)).Select(r => r.Method));
        string page = File.ReadAllText(Path.Combine(run.Out, "report.html"));
        Assert.All((string[])["Table 1", "Table 2", "Table 3", "0.655 / 0.473 / 0.577 / 0.286", "0.616 / 0.360 / 0.467 / 0.302"], text => Assert.Contains(text, page));

        // Whatever ran before it, the last method's pictures are those of a run of its own.
        EvaluationRun alone = run with { Methods = [run.Methods[^1]], Out = workshop.Model.NewPlace() };
        Run(alone);
        Assert.Equal(Drawn(alone, 1, "textual-inversion"), Drawn(run, 1, "textual-inversion"));
    }

    [Fact]
    public void Another_persons_prediction_is_another_persons()
    {
        EvaluationRun run = Settings([Method.OnlyHyper, Method.HyperDreamBooth with { Steps = 1, Pairs = 1 }]);
        EvaluationResult result = Run(run);
        // Nothing but the prediction is in these pictures, so with the other's they are the other's.
        Assert.Equal(Drawn(run, 1, "only-hyper.seed0"), Drawn(run, 0, "only-hyper-from-person1"));
        Assert.NotEqual(Drawn(run, 0, "only-hyper.seed0"), Drawn(run, 1, "only-hyper.seed0"));
        Assert.NotEqual(Drawn(run, 0, "hyperdreambooth.seed0"), Drawn(run, 0, "hyperdreambooth-from-person1"));
        Assert.NotEqual(Drawn(run, 1, "hyperdreambooth.seed0"), Drawn(run, 0, "hyperdreambooth-from-person1"));
        Assert.Contains(result.Groups[0].Differences, d => d.Method == "hyperdreambooth" && d.Minus == "hyperdreambooth, another person's prediction");
        long lidb = result.Rows.Single(r => r.Method == "only-hyper").Bytes!.Value, both = result.Rows.Single(r => r.Method == "hyperdreambooth").Bytes!.Value;
        Assert.True(lidb > 0 && both > lidb);
        Assert.Equal(0, Run(run).Made);
        // Only of those who are named.
        EvaluationResult one = Run(run with { Swapped = ["only-hyper"] });
        Assert.Equal(
            ["only-hyper, another person's prediction"],
            one.Rows.Where(r => r.Method.EndsWith("another person's prediction", StringComparison.Ordinal)).Select(r => r.Method));
    }

    [Fact]
    public void The_hypernetworks_own_eye_is_named_as_such()
    {
        EvaluationRun run = Settings([Method.OnlyHyper]) with { FaceEncoder = Path.Combine(hypernetwork, "encoder"), Out = workshop.Model.NewPlace() };
        Assert.True(new Evaluator(run).Run().Facts.OwnJudge);
        Assert.False(Run(run).Facts.OwnJudge);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(1, "--swapped", "only-hyper")]
    public void Where_nothing_is_said_every_prediction_has_its_control(int controls, params string[] swapped)
    {
        Captured run = Captured.Ilgd([
            "evaluate", "--people", people, "--methods", "only-hyper,k1@steps=1@pairs=1", "--hypernetwork", hypernetwork, "--model", workshop.Model.Folder, "--samples", "0",
            "--sampling-steps", "1", "--threads", "1", "--out", workshop.Model.NewPlace(), .. swapped]);
        Assert.True(run.Code == 0, run.Error);
        Assert.Equal(controls, run.Output.Split('\n').Count(line => line.Contains("another person's prediction:", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_prediction_without_a_hypernetwork_is_one_line()
    {
        string place = workshop.Model.NewPlace();
        Captured run = Captured.Ilgd("evaluate", "--people", people, "--methods", "lora,only-hyper", "--model", workshop.Model.Folder, "--threads", "1", "--out", place);
        Assert.Equal(1, run.Code);
        Assert.Contains("method 'only-hyper' starts from a prediction", run.OneLine());
        Assert.False(Directory.Exists(place));
    }

    EvaluationRun Settings(IReadOnlyList<Method> methods) => new()
    {
        People = [people],
        Model = workshop.Model.Folder,
        Hypernetwork = hypernetwork,
        Methods = methods,
        Prompts = [new EvaluationPrompt("a [V] face", new FaceContext(), [Aspect.Style])],
        Samples = 0,
        Sampling = new Sampling { Steps = 2 },
        Threads = 1,
        Out = workshop.Model.NewPlace(),
    };

    static EvaluationResult Run(EvaluationRun run)
    {
        FakeJudge judge = new();
        return new Evaluator(run, judges: _ => new Judges(judge, judge, judge)).Run();
    }

    static byte[] Drawn(EvaluationRun run, int person, string name)
    {
        string file = Assert.Single(Directory.GetFiles(Path.Combine(run.Out, "results", "people", $"person{person}"), $"{name}*"), f => Path.GetFileName(f).Split('.').Length == 5);
        using SafetensorsReader reader = new(file);
        return reader.Bytes("pictures").ToArray();
    }

    // Its mean is large enough that a prediction is seen, its outputs are what the picture makes of them.
    internal static void SaveHypernetwork(HyperWorkshop workshop, string folder)
    {
        using Device device = Device.Open("cpu", 1);
        using DiffusionModel model = workshop.Load(device);
        using PersonPredictor predictor = PersonPredictor.Create(model, EncoderFolder.LoadImage(workshop.Encoder, device), HyperWorkshop.Small, new RandomOrthonormal(1));
        predictor.Hyper.Initialize(3);
        foreach (Parameter p in predictor.Hyper.Weights.Parameters)
            p.Value.CopyFrom(Array.ConvertAll(p.Value.ToArray(), v => 20 * v));
        foreach (Parameter p in predictor.Hyper.Mean.Parameters)
            p.Value.CopyFrom(RandomBasis.Gaussian(9, p.Name, (int)p.Shape.Count, 0.5f));
        predictor.Save(folder, LidbFile.BaseHash(model));
    }
}
