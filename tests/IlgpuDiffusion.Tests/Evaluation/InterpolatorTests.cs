using IlgpuDiffusion.Data.World;
using IlgpuDiffusion.Evaluation;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Personalization;
using IlgpuDiffusion.Tests.Cli;
using IlgpuDiffusion.Tests.Training.HyperNetworks;

namespace IlgpuDiffusion.Tests.Evaluation;

/// The way between two people, whose ends are what `evaluate` draws of each alone.
public sealed class InterpolatorTests : IClassFixture<HyperWorkshop>
{
    readonly HyperWorkshop workshop;
    readonly string hypernetwork;

    public InterpolatorTests(HyperWorkshop workshop)
    {
        this.workshop = workshop;
        hypernetwork = Path.Combine(workshop.Model.Root, "hypernetwork");
        for (int i = 0; i < 2; i++)
        {
            float[] rgb = FaceRenderer.Render(FaceIdentity.Sample(FaceIdentity.FirstHeldOut + i), FaceNuisance.Plain, new FaceContext(), 48);
            ImageFile.SavePng(PhotoOf(i), new RgbImage(48, 48, Array.ConvertAll(rgb, v => (byte)(v * 255))));
        }

        if (!Directory.Exists(hypernetwork))
            TwoStageEvaluationTests.SaveHypernetwork(workshop, hypernetwork);
    }

    [Fact]
    public void Both_ends_are_the_people_and_the_middle_is_between()
    {
        InterpolationRun run = Settings();
        InterpolationRecord there = Run(run), back = Run(run with { From = run.To, To = run.From, Out = workshop.Model.NewPlace() });
        Assert.Equal([0, 0.5, 1], there.Points.Select(p => p.At));
        foreach ((InterpolationPoint one, InterpolationPoint other) in there.Points.Zip(back.Points.Reverse()))
            Assert.Equal((one.LikeFrom, one.LikeTo), (other.LikeTo, other.LikeFrom));
        Assert.Equal(3, there.Points.Select(p => p.LikeFrom).Distinct().Count());

        // The first end is what a hypernetwork alone draws of the first photo, whoever the second is.
        InterpolationRecord alone = Run(run with { To = run.From, Positions = 2, Out = workshop.Model.NewPlace() });
        Assert.Equal(alone.Points[0].LikeFrom, there.Points[0].LikeFrom);
        Assert.Equal(alone.Points[0], alone.Points[1] with { At = 0 });

        RgbImage sheet = ImageFile.Load(Path.Combine(run.Out, "interpolation.png"));
        Assert.True(sheet.Width > 5 * 2 * 16 && sheet.Height > 2 * 2 * 16);
        Assert.Contains("Likeness on the way", File.ReadAllText(Path.Combine(run.Out, "likeness.svg")));
        Assert.Contains("\"like_from\"", File.ReadAllText(Path.Combine(run.Out, "interpolation.json")));
    }

    [Fact]
    public void The_verb_says_what_is_missing_and_leaves_nothing()
    {
        string place = workshop.Model.NewPlace();
        (int code, _, string error) = Captured.Ilgd("interpolate", PhotoOf(0), PhotoOf(1), "--model", workshop.Model.Folder, "--out", place);
        Assert.Equal(1, code);
        Assert.Contains("has no hypernetwork folder", error);
        (code, _, error) = Captured.Ilgd("interpolate", PhotoOf(0), Path.Combine(workshop.Model.Root, "nobody.png"), "--model", workshop.Model.Folder, "--hypernetwork", hypernetwork, "--out", place);
        Assert.Equal(1, code);
        Assert.Contains("nobody.png", error);
        Assert.False(Directory.Exists(place));
    }

    string PhotoOf(int person) => Path.Combine(workshop.Model.Root, "two", $"person{person}.png");

    InterpolationRecord Run(InterpolationRun run) => new Interpolator(run, judges: _ => new Judges(new FakeJudge(), null, null)).Run();

    InterpolationRun Settings() => new()
    {
        From = PhotoOf(0),
        To = PhotoOf(1),
        Model = workshop.Model.Folder,
        Hypernetwork = hypernetwork,
        Positions = 3,
        Prompts = ["a [V] face", "a [V] face smiling"],
        Sampling = new Sampling { Steps = 2 },
        Threads = 1,
        Out = workshop.Model.NewPlace(),
    };
}
