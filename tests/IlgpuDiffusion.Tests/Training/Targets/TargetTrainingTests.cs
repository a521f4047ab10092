using IlgpuDiffusion.Evaluation;
using IlgpuDiffusion.Tests.Training.HyperNetworks;
using IlgpuDiffusion.Training.Targets;

namespace IlgpuDiffusion.Tests.Training.Targets;

public class TargetTrainingTests(Devices devices, HyperWorkshop workshop) : DeviceTest(devices), IClassFixture<HyperWorkshop>
{
    static readonly TargetRecipe Recipe = new() { Steps = 3, WarmupSteps = 1, Group = 2 };

    [Fact]
    public void Any_number_of_shards_makes_the_same_targets_and_finished_parts_are_skipped()
    {
        string people = People(), whole = workshop.Model.NewPlace(), cut = workshop.Model.NewPlace();
        New(people, whole).Fit(Shard.Whole);
        TargetSet expected = New(people, whole).Merge();
        Assert.Equal(5, expected.Names.Count);

        New(people, cut).Fit(new Shard(1, 2));
        string message = Assert.Throws<IlgdException>(() => New(people, cut).Merge()).Message;
        Assert.Contains("2 of 3 parts are missing, first 00000-of-00003", message);
        DateTime written = File.GetLastWriteTimeUtc(Directory.GetFiles(Path.Combine(cut, "parts")).Single());
        New(people, cut).Fit(new Shard(0, 2));
        New(people, cut).Fit(new Shard(1, 2));
        Assert.Equal(written, File.GetLastWriteTimeUtc(Path.Combine(cut, "parts", "00001-of-00003.safetensors")));
        TargetSet merged = New(people, cut).Merge();
        Assert.Equal(expected.Names, merged.Names);
        Assert.Equal(expected.Values, merged.Values);
        Assert.Equal(expected.Values, TargetSet.Load(Path.Combine(cut, TargetTraining.Merged)).Values);
        Assert.Contains("another recipe", Assert.Throws<IlgdException>(() => New(people, cut, Recipe with { Steps = 4 }).Merge()).Message);
    }

    [Fact]
    public void Learnability_is_measured_on_the_photos_of_the_people()
    {
        string people = People(), place = workshop.Model.NewPlace();
        New(people, place).Fit(Shard.Whole);
        RidgeLearnability result = New(people, place).Learnability(New(people, place).Merge(), workshop.Encoder);
        Assert.True(result.ExplainedByMean < 1 && result.ExplainedByRidge < 1);
        Assert.True(double.IsFinite(result.ExplainedByRidge));
    }

    [Fact]
    public void A_shard_comes_from_text_or_from_the_clusters_variables()
    {
        Assert.Equal(new Shard(2, 8), Shard.Parse("2/8"));
        foreach (string wrong in (string[])["8/8", "-1/2", "1", "a/b", "1/2/3"])
            Assert.Contains(wrong, Assert.Throws<IlgdException>(() => Shard.Parse(wrong)).Message);
        Assert.Equal(Shard.Whole, From());
        Assert.Equal(new Shard(3, 10), From(("SLURM_ARRAY_TASK_ID", "4"), ("SLURM_ARRAY_TASK_MIN", "1"), ("SLURM_ARRAY_TASK_COUNT", "10")));
        Assert.Equal(new Shard(7, 8), From(("JOB_COMPLETION_INDEX", "7"), ("JOB_COMPLETIONS", "8")));
        Assert.Contains("JOB_COMPLETIONS is not", Assert.Throws<IlgdException>(() => From(("JOB_COMPLETION_INDEX", "7"))).Message);
        Assert.Contains("part 9 of 8", Assert.Throws<IlgdException>(() => From(("JOB_COMPLETION_INDEX", "9"), ("JOB_COMPLETIONS", "8"))).Message);
        Assert.Contains("'x'", Assert.Throws<IlgdException>(() => From(("SLURM_ARRAY_TASK_ID", "x"))).Message);

        static Shard From(params (string Name, string Value)[] variables) =>
            Shard.FromEnvironment(name => variables.FirstOrDefault(v => v.Name == name).Value);
    }

    // Five people, rendered.
    string People()
    {
        string place = workshop.Model.NewPlace();
        Assert.Equal(0, Cli.Captured.WeightsTools("make-world", "--out", place, "--people", "5", "--size", "32").Code);
        return place;
    }

    TargetTraining New(string people, string place, TargetRecipe? recipe = null) =>
        new(recipe ?? Recipe, workshop.Model.Folder, people, place, Device("cpu"), TextWriter.Null, interactive: false);
}
