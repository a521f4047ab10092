using System.Text.Json.Nodes;
using IlgpuDiffusion.Data.World;
using IlgpuDiffusion.Evaluation;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Personalization;
using IlgpuDiffusion.Tests.Cli;
using IlgpuDiffusion.Tests.Personalization;
using Photo = IlgpuDiffusion.Personalization.Photo;

namespace IlgpuDiffusion.Tests.Evaluation;

/// Three rendered people, two methods of two steps, two prompts, judges whose vectors are known.
public sealed class EvaluatorTests : IClassFixture<TinyModel>
{
    // A cosine in float32 of vectors in float32.
    const double Tolerance = 1e-6;

    static readonly EvaluationPrompt[] Prompts =
    [
        new("a [V] face", new FaceContext(), [Aspect.Style]),
        new("a [V] face smiling", new FaceContext(Expression: Expression.Smiling), [Aspect.Expression]),
    ];

    readonly TinyModel model;
    readonly string people;

    public EvaluatorTests(TinyModel model)
    {
        this.model = model;
        people = Path.Combine(model.Root, "people");
        for (int i = 0; i < 3; i++)
        {
            Render(i, "neutral", new FaceContext());
            Render(i, "smiling", new FaceContext(Expression: Expression.Smiling));
        }
    }

    [Fact]
    public void The_table_has_the_means_that_the_judges_vectors_give()
    {
        EvaluationRun run = Settings();
        EvaluationResult result = Run(run);
        Assert.Equal(7, result.Made);
        RgbImage[] photos = [.. Enumerable.Range(0, 3).Select(i => Fitted(i, "neutral"))], smiling = [.. Enumerable.Range(0, 3).Select(i => Fitted(i, "smiling"))];

        foreach (Method method in run.Methods)
        {
            RgbImage[][] drawn = [.. Enumerable.Range(0, 3).Select(i => Drawn(run, $"people/person{i}", method.Name))];
            TableRow row = Row(result, method.Name), other = Row(result, $"{method.Name}, another person's pictures");
            Close(People(i => Prompted(p => Like(drawn[i][p], photos[i]))), row, Measure.FaceRec);
            Close(People(i => Prompted(p => Like(drawn[i][p], photos[i]))), row, Measure.Dino);
            Close(People(i => Like(drawn[i][1], smiling[i])), row, Measure.Truth);
            Close(People(i => Prompted(p => Math.Cos(FakeJudge.Angle(drawn[i][p]) - FakeJudge.Angle(p == 0 ? "a face" : "a face smiling")))), row, Measure.ClipT);
            Close(People(i => Prompted(p => Follows(drawn[i][p], p) ? 1 : 0)), row, Measure.PromptOk);
            Close(People(i => new[] { 2, 3 }.Average(k => Nearest(drawn[i][k], photos) == i ? 1.0 : 0)), row, Measure.Retrieval);
            Close(People(i => 1 - Like(drawn[i][2], drawn[i][3])), row, Measure.Div);
            Close(People(i => new[] { 4, 5 }.Average(k => Like(drawn[i][k], photos[i]))), row, Measure.Pres);
            Close(People(i => Prompted(p => Like(drawn[(i + 1) % 3][p], photos[i]))), other, Measure.FaceRec);
            Assert.DoesNotContain(Measure.ClipT, other.Scores.Keys);
            Assert.True(row.Bytes > 0 && row.Seconds > 0);
        }

        // One dot a method, at the size of its weights.
        Assert.Equal(2, File.ReadAllText(Path.Combine(run.Out, "fidelity-against-size.svg")).Split("r=\"4\"").Length - 1);

        PairedDifference difference = Assert.Single(result.Groups[0].Differences, d => d.Method == "lora" && d.Minus == "lidb");
        Assert.Equal(
            Row(result, "lora").Scores[Measure.FaceRec].Mean - Row(result, "lidb").Scores[Measure.FaceRec].Mean, difference.Scores[Measure.FaceRec].Mean, Tolerance);
        Assert.Equal(2, result.Groups[0].Differences.Count(d => d.Minus.EndsWith("another person's pictures", StringComparison.Ordinal)));

        RgbImage[] without = Drawn(run, "", "no-personalisation");
        Close(People(i => Prompted(p => Like(without[p], photos[i]))), Row(result, "no personalisation"), Measure.FaceRec);
        Close(1, Row(result, "the photo itself"), Measure.FaceRec);
        Close(People(i => Like(photos[i], smiling[i])), Row(result, "the photo itself"), Measure.Truth);
        Assert.InRange(Row(result, "the autoencoder's copy of the truth").Scores[Measure.Truth].Mean, 0.5, 1 - 1e-9);

        double People(Func<int, double> of) => Enumerable.Range(0, 3).Average(of);
        double Prompted(Func<int, double> of) => Enumerable.Range(0, 2).Average(of);
    }

    [Fact]
    public void A_second_run_runs_nothing_and_another_judge_sees_the_same_pictures()
    {
        EvaluationRun run = Settings();
        Run(run);
        byte[] first = File.ReadAllBytes(Path.Combine(run.Out, "table.json"));

        FakeJudge again = new(), other = new("fedcba9876543210");
        EvaluationResult second = Run(run, again);
        Assert.Equal((0, 7), (second.Made, second.Found));
        Assert.Equal(first, File.ReadAllBytes(Path.Combine(run.Out, "table.json")));
        // Of three people the photo, the truth, and the same two for the controls, three judges; nothing that was drawn.
        const int references = 3 * 3 * 4;
        Assert.Equal(references, again.Asked);
        Assert.Equal(0, Run(run, other).Made);
        Assert.Equal(references + (3 * 7 * 6), other.Asked);

        Assert.Equal(6, Run(run with { Methods = [.. run.Methods.Select(m => m with { Optimizer = m.Optimizer with { LearningRate = 1e-3 } })] }).Made);
        Assert.Equal(7, Run(run with { Sampling = run.Sampling with { Steps = 3 } }).Made);
        Assert.Equal(7, Run(run with { Seeds = 2 }).Made);
    }

    [Fact]
    public void A_killed_run_goes_on_to_the_same_table()
    {
        EvaluationRun run = Settings(), whole = Settings();
        using CancellationTokenSource source = new();
        void Kill(PhaseProgress now)
        {
            if (now.Phase.StartsWith("lidb, person1", StringComparison.Ordinal))
                source.Cancel();
        }

        Assert.Throws<OperationCanceledException>(() => new Evaluator(run, Kill, _ => Fakes(new FakeJudge()), source.Token).Run());
        Dictionary<string, byte[]> kept = Files(run.Out);
        Assert.Equal(4, kept.Keys.Count(IsTrial));
        Assert.False(File.Exists(Path.Combine(run.Out, "table.json")));

        EvaluationResult resumed = Run(run);
        Assert.Equal((3, 4), (resumed.Made, resumed.Found));
        Dictionary<string, byte[]> after = Files(run.Out);
        Assert.All(kept, file => Assert.Equal(file.Value, after[file.Key]));
        Run(run);
        Assert.Equal(after["table.json"], File.ReadAllBytes(Path.Combine(run.Out, "table.json")));

        // A run that was never killed has the same pictures and scores, and times of its own.
        Run(whole);
        Assert.Equal(Timeless(run.Out), Timeless(whole.Out));
    }

    [Fact]
    public void A_method_that_trains_everything_leaves_the_model_as_it_was()
    {
        Method everything = Method.DreamBooth with { Steps = 2, Pairs = 2 }, lora = Method.Lora with { Steps = 2, Pairs = 2 };
        EvaluationRun both = Settings() with { Methods = [everything, lora] }, alone = Settings() with { Methods = [lora] };
        Run(both);
        Run(alone);
        for (int i = 0; i < 3; i++)
            Assert.Equal(Drawn(alone, $"people/person{i}", "lora").SelectMany(p => p.Pixels), Drawn(both, $"people/person{i}", "lora").SelectMany(p => p.Pixels));
        Assert.NotEqual(Drawn(both, "people/person0", "dreambooth")[0].Pixels, Drawn(both, "", "no-personalisation")[0].Pixels);
    }

    [Fact]
    public void A_curve_begins_at_the_model_as_it_is_and_ends_at_the_row_of_the_table()
    {
        EvaluationRun run = Settings() with { Curve = [0, 1, 50], Methods = [Method.Lora with { Steps = 2, Pairs = 2 }] };
        EvaluationResult result = Run(run);
        Assert.Equal(1 + (3 * 3), result.Made);
        Curve curve = Assert.Single(result.Curves);
        Assert.Equal([0, 1, 2], curve.Points.Select(p => p.Step));
        Assert.Equal(Row(result, "no personalisation").Scores[Measure.PromptOk].Mean, curve.Points[0].Prompt!.Value, Tolerance);
        Assert.Equal(Row(result, "lora").Scores[Measure.FaceRec].Mean, curve.Points[^1].Fidelity!.Value, Tolerance);
        Assert.Equal(Row(result, "lora").Scores[Measure.Retrieval].Mean, curve.Points[^1].Retrieval!.Value, Tolerance);
        Assert.All(curve.Points, p => Assert.InRange(p.Retrieval!.Value, 0, 1));
        Assert.True(curve.Points[0].Seconds < curve.Points[2].Seconds);
        Assert.NotEqual(curve.Points[0].Loss, curve.Points[2].Loss);
        Assert.Equal([1, 0.9, 0.8, 0.7, 0.6, 0.5], result.Equal.Select(e => e.Share));
        Assert.All(result.Equal, e => Assert.Equal(curve.FidelityAt(e.Share * curve.Points[0].Prompt!.Value), e.Fidelity["lora"]));
        // The checkpoints do not change what is trained.
        EvaluationRun straight = Settings() with { Methods = run.Methods };
        Run(straight);
        Assert.Equal(Drawn(straight, "people/person0", "lora.seed0.step2")[0].Pixels, Drawn(run, "people/person0", "lora.seed0.step2")[0].Pixels);
        Assert.Contains("lora,2,", File.ReadAllText(Path.Combine(run.Out, "curves.csv")));
    }

    [Fact]
    public void Judges_that_are_missing_make_null_with_a_reason_and_never_zero()
    {
        string place = model.NewPlace();
        Captured run = Captured.Ilgd(
            "evaluate", "--people", people, "--methods", "lora@steps=1@pairs=1", "--model", model.Folder, "--samples", "2", "--sampling-steps", "1", "--threads", "1",
            "--prompts", PromptFile(), "--json", "--out", place);
        Assert.True(run.Code == 0, run.Error);
        JsonNode table = JsonNode.Parse(run.Output)!;
        Assert.All(table["rows"]!.AsArray(), row => Assert.All(Measure.All, measure =>
        {
            Assert.Null(row![measure.Name]);
            Assert.Contains(measure.Judge == "face" ? "--face-encoder" : measure.Judge == "dino" ? "--dino" : "--clip", $"{row["absent"]![measure.Name]}");
        }));
        Assert.Contains("lora", File.ReadAllText(Path.Combine(place, "table.csv")));
        string page = File.ReadAllText(Path.Combine(place, "report.html"));
        Assert.Contains("do not rank by these tables", page);
        Assert.DoesNotContain("<script", page);
    }

    [Fact]
    public void The_page_has_the_papers_numbers_in_a_column_of_their_own_and_everybodys_pictures()
    {
        EvaluationRun run = Settings() with { Methods = [Method.DreamBooth with { Steps = 1, Pairs = 1 }] };
        EvaluationResult result = Run(run);
        string page = File.ReadAllText(Path.Combine(run.Out, "report.html"));
        Assert.Contains("<th class=\"n\">SD 1.5 / CelebA-HQ, from the paper</th>", page);
        Assert.Contains("0.618 / 0.441 / 0.546 / 0.282", page);
        Assert.Equal(3, Directory.GetFiles(Path.Combine(run.Out, "pictures")).Length);
        JsonNode row = JsonNode.Parse(File.ReadAllText(Path.Combine(run.Out, "table.json")))!["rows"]!.AsArray().Single(r => (string)r!["method"]! == "dreambooth")!;
        Assert.Equal(0.441, (double)row["paper"]!["dino"]!);
        Assert.Equal(Row(result, "dreambooth").Scores[Measure.FaceRec].High, (double)row["face_rec"]!["high"]!);
    }

    [Fact]
    public void A_study_shows_what_the_two_methods_drew_on_the_sides_that_its_key_names()
    {
        EvaluationRun run = Settings() with { Study = new StudySettings("lidb", "lora") { Pairs = 5 } };
        Run(run);
        string[] files = [Path.Combine(run.Out, "study.html"), Path.Combine(run.Out, "study-key.json")];
        string page = File.ReadAllText(files[0]);
        StudyKey key = StudyKey.Load(files[1]);
        Assert.Equal(10, key.Questions.Count);
        Assert.Contains($"data-study=\"{key.Study}\"", page);
        RgbImage[][] shown = [.. StudyCase.Pictures(page).Chunk(3)];
        Assert.Equal(5, shown.Length);
        foreach ((int i, StudyQuestion question) in key.Questions.Index())
        {
            int person = question.Person[^1] - '0', prompt = Array.FindIndex(Prompts, p => p.Text == question.Prompt);
            RgbImage[] expected = [Fitted(person, "neutral"), Drawn(run, question.Person, question.Left)[prompt], Drawn(run, question.Person, question.Right)[prompt]];
            Assert.Equal(expected.Select(p => p.Pixels), shown[i % 5].Select(p => p.Pixels));
        }

        // The same study again, from the trials that are there; without it nothing else is different.
        byte[] table = File.ReadAllBytes(Path.Combine(run.Out, "table.json"));
        byte[][] written = [.. files.Select(File.ReadAllBytes)];
        EvaluationResult again = Run(run);
        Assert.Equal((0, 7), (again.Made, again.Found));
        Assert.Equal(written, files.Select(File.ReadAllBytes));
        Assert.Equal(0, Run(run with { Study = null }).Made);
        Assert.Equal(table, File.ReadAllBytes(Path.Combine(run.Out, "table.json")));
        Assert.Contains("'k1' is none of the methods", Assert.Throws<IlgdException>(() => Run(run with { Study = new StudySettings("lora", "k1") })).Message);
    }

    [Fact]
    public void Several_folders_of_people_have_rows_of_their_own()
    {
        string second = Path.Combine(model.Root, "second");
        Directory.CreateDirectory(second);
        Directory.CreateDirectory(Path.Combine(second, "only"));
        File.Copy(model.Photo, Path.Combine(second, "only", "first.png"));
        EvaluationRun run = Settings() with { People = [people, second], Methods = [Method.Lora with { Steps = 1, Pairs = 1 }] };
        EvaluationResult result = Run(run);
        Assert.Equal([("everybody", 4), ("people", 3), ("second", 1)], result.Groups.Select(g => (g.Name, g.People)));
        double[] means = [.. result.Groups.Select(g => g.Rows.Single(r => r.Method == "lora").Scores[Measure.FaceRec].Mean)];
        Assert.Equal(means[0], ((3 * means[1]) + means[2]) / 4, 1e-12);
        Assert.Contains(Measure.Truth, result.Groups[2].Rows.Single(r => r.Method == "lora").Absent.Keys);
    }

    EvaluationRun Settings() => new()
    {
        People = [people],
        Model = model.Folder,
        Methods = [Method.Lora with { Steps = 2, Pairs = 2 }, Method.Lidb with { Steps = 2, Pairs = 2 }],
        Prompts = Prompts,
        Samples = 2,
        Sampling = new Sampling { Steps = 2 },
        Threads = 1,
        Out = model.NewPlace(),
    };

    static EvaluationResult Run(EvaluationRun run, FakeJudge? judge = null) => new Evaluator(run, judges: _ => Fakes(judge ?? new FakeJudge())).Run();

    static Judges Fakes(FakeJudge judge) => new(judge, judge, judge);

    static TableRow Row(EvaluationResult result, string method) => Assert.Single(result.Rows, r => r.Method == method);

    static void Close(double expected, TableRow row, Measure measure) => Assert.Equal(expected, row.Scores[measure].Mean, Tolerance);

    static double Like(RgbImage a, RgbImage b) => Math.Cos(FakeJudge.Angle(a) - FakeJudge.Angle(b));

    static int Nearest(RgbImage picture, RgbImage[] photos) => photos.Index().MaxBy(p => Like(picture, p.Item)).Index;

    static bool Follows(RgbImage picture, int prompt)
    {
        string[] captions = prompt == 0
            ? [.. Enum.GetValues<Style>().Select(s => Captions.Of(new FaceContext(Style: s)))]
            : [.. Enum.GetValues<Expression>().Select(e => Captions.Of(new FaceContext(Expression: e)))];
        return captions.Index().MaxBy(c => Math.Cos(FakeJudge.Angle(picture) - FakeJudge.Angle(c.Item))).Index == prompt;
    }

    RgbImage Fitted(int i, string name) => Photo.Fit(Photo.Face(Path.Combine(people, $"person{i}", $"{name}.png"), null), 16);

    // In the results file: prompts, plain ones, those of the class.
    static RgbImage[] Drawn(EvaluationRun run, string person, string method)
    {
        string file = Assert.Single(Directory.GetFiles(Path.Combine(run.Out, "results", person), $"{method}.*"), IsTrial);
        using SafetensorsReader reader = new(file);
        int[] shape = reader.Shape("pictures");
        return [.. reader.Bytes("pictures").ToArray().Chunk(3 * shape[1] * shape[2]).Select(p => new RgbImage(shape[2], shape[1], p))];
    }

    static bool IsTrial(string path) => path.EndsWith(".safetensors", StringComparison.Ordinal) && Path.GetFileName(path).Split('.').Length == 5;

    static Dictionary<string, byte[]> Files(string folder) =>
        Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).ToDictionary(f => Path.GetRelativePath(folder, f), File.ReadAllBytes);

    static string Timeless(string folder)
    {
        JsonNode table = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "table.json")))!;
        foreach (JsonNode? row in table["rows"]!.AsArray())
            row!.AsObject().Remove("seconds");
        return table.ToJsonString();
    }

    string PromptFile()
    {
        string path = Path.Combine(model.Root, "prompts.txt");
        File.WriteAllText(path, "# two\na [V] face | style: none\n\na [V] face smiling | expression: smiling\n");
        return path;
    }

    void Render(int person, string name, FaceContext context)
    {
        float[] rgb = FaceRenderer.Render(FaceIdentity.Sample(FaceIdentity.FirstHeldOut + person), FaceNuisance.Plain, context, 48);
        ImageFile.SavePng(Path.Combine(people, $"person{person}", $"{name}.png"), new RgbImage(48, 48, Array.ConvertAll(rgb, v => (byte)(v * 255))));
    }
}
