using System.Text.Json;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Personalization;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Training.HyperNetworks;
using IlgpuDiffusion.Training.Targets;
using RgbImage = IlgpuDiffusion.IO.RgbImage;

namespace IlgpuDiffusion.Tests.Training.HyperNetworks;

public class HyperTrainingTests(Devices devices, HyperWorkshop workshop) : DeviceTest(devices), IClassFixture<HyperWorkshop>
{
    [Fact]
    public void It_trains_probes_and_leaves_a_hypernetwork_that_loads()
    {
        string place = Train(HyperWorkshop.Recipe);
        JsonElement[] lines = [.. File.ReadAllLines(Path.Combine(place, "hypernetwork.metrics.jsonl")).Select(line => JsonDocument.Parse(line).RootElement)];
        Assert.Equal([3, 6], lines.Select(l => l.GetProperty("step").GetInt32()));
        foreach (string key in (string[])["own", "mean", "shuffled", "none", "own_minus_shuffled_low", "own_minus_mean_high"])
            Assert.True(double.IsFinite(lines[1].GetProperty($"probe/rendered/{key}").GetDouble()), key);
        JsonElement probe = lines[1];
        Assert.True(probe.GetProperty("probe/rendered/own_minus_shuffled_low").GetDouble() <= probe.GetProperty("probe/rendered/own_minus_shuffled").GetDouble());
        // Without anybody's weights the frozen model is what it was; with them it is not.
        Assert.Equal(lines[0].GetProperty("probe/rendered/none").GetDouble(), probe.GetProperty("probe/rendered/none").GetDouble());
        Assert.NotEqual(probe.GetProperty("probe/rendered/none").GetDouble(), probe.GetProperty("probe/rendered/own").GetDouble());
        Assert.NotEmpty(Directory.GetFiles(Path.Combine(place, "tensorboard", "hypernetwork")));

        using DiffusionModel model = workshop.Load(Device("cpu"));
        using PersonPredictor predictor = PersonPredictor.Load(Path.Combine(place, "hypernetwork"), model);
        Assert.Equal(predictor.Space.Count, predictor.Predict(Arena("cpu"), new RgbImage(16, 16)).Length);
    }

    [Fact]
    public void A_run_that_is_cut_off_goes_on_to_the_same_bits()
    {
        string whole = Train(HyperWorkshop.Recipe), cut = workshop.Model.NewPlace();
        using CancellationTokenSource source = new();
        CancelAfter log = new(source, "step 3");
        Assert.Throws<OperationCanceledException>(() => Train(HyperWorkshop.Recipe, cut, log, source.Token));
        using (SafetensorsReader state = new(Path.Combine(cut, "hypernetwork.state.safetensors")))
            Assert.Equal("3", state.Metadata["step"]);
        Train(HyperWorkshop.Recipe, cut);
        Assert.Equal(
            File.ReadAllBytes(Path.Combine(whole, "hypernetwork", "model.safetensors")), File.ReadAllBytes(Path.Combine(cut, "hypernetwork", "model.safetensors")));
        Assert.Equal(
            File.ReadAllBytes(Path.Combine(whole, "hypernetwork", "bases.safetensors")), File.ReadAllBytes(Path.Combine(cut, "hypernetwork", "bases.safetensors")));
    }

    [Fact]
    public void It_goes_on_from_a_trained_hypernetwork_with_that_ones_settings()
    {
        string earlier = Path.Combine(Train(HyperWorkshop.Recipe), "hypernetwork"), other = Path.Combine(Train(HyperWorkshop.Recipe with { Seed = 9 }), "hypernetwork");
        string place = workshop.Model.NewPlace();
        // One step of next to nothing leaves what it began with, whatever the recipe would build from nothing.
        HyperRecipe still = HyperWorkshop.Recipe with { Predictor = new PredictorSettings(), Steps = 1, LearningRate = 1e-12, ProbeEvery = 1 };
        From(earlier);
        foreach (string file in (string[])["settings.json", "config.json"])
            Assert.Equal(File.ReadAllBytes(Path.Combine(earlier, file)), File.ReadAllBytes(Path.Combine(place, "hypernetwork", file)));
        foreach (string file in (string[])["model.safetensors", "mean.safetensors", "bases.safetensors"])
            Assert.Equal(Values(earlier, file), Values(Path.Combine(place, "hypernetwork"), file));
        Assert.NotEqual(Values(earlier, "model.safetensors"), Values(other, "model.safetensors"));

        Assert.Contains("other settings", Assert.Throws<IlgdException>(() => From(other)).Message);
        Assert.Contains("image encoder", Assert.Throws<IlgdException>(() => From(null)).Message);

        static float[] Values(string folder, string file)
        {
            using SafetensorsReader reader = new(Path.Combine(folder, file));
            return [.. reader.Names.SelectMany(name => reader.ReadFloat32(name))];
        }

        void From(string? start) => new HyperTraining(still, workshop.Inputs(place) with { Encoder = null, From = start }, Device("cpu"), TextWriter.Null, false).Run();
    }

    [Fact]
    public void Both_losses_are_logged_apart_and_each_can_be_left_out()
    {
        string targets = Path.Combine(workshop.Model.Root, "targets.safetensors");
        using (DiffusionModel model = workshop.Load(Device("cpu")))
        using (PersonPredictor p = PersonPredictor.Create(model, HyperWorkshop.NewEncoder(model.Device), HyperWorkshop.Small, new RandomOrthonormal(1)))
            new TargetSet(["0", "1", "2", "3", "4", "5"], [.. Enumerable.Range(0, 6 * p.Space.Count).Select(i => MathF.Sin(i))], "{}").Save(targets);
        HyperRecipe recipe = HyperWorkshop.Recipe with { Steps = 50, ProbeEvery = 50, TargetWeight = 0.5 };
        (double? diffusion, double? target) = Parts(recipe);
        Assert.True(diffusion > 0 && target > 0);
        (diffusion, target) = Parts(recipe with { TargetWeight = 0 });
        Assert.True(diffusion > 0 && target is null);
        (diffusion, target) = Parts(recipe with { DiffusionWeight = 0 });
        // Predicting nothing has error 1; 50 steps on six people bring it below.
        Assert.True(diffusion is null && target < 1, $"{diffusion}, {target}");
        Assert.Contains("there are none", Assert.Throws<IlgdException>(() => Train(recipe)).Message);

        (double?, double?) Parts(HyperRecipe r)
        {
            string place = workshop.Model.NewPlace();
            new HyperTraining(r, workshop.Inputs(place) with { Targets = targets }, Device("cpu"), TextWriter.Null, false).Run();
            JsonElement line = JsonDocument.Parse(File.ReadAllLines(Path.Combine(place, "hypernetwork.metrics.jsonl"))[^1]).RootElement;
            return (Number(line, "train/diffusion"), Number(line, "train/target"));
        }

        static double? Number(JsonElement line, string key) => line.TryGetProperty(key, out JsonElement value) ? value.GetDouble() : null;
    }

    [Fact]
    public void The_papers_mode_trains_with_frozen_bases_from_their_seed()
    {
        HyperRecipe paper = HyperRecipe.Paper;
        string place = Train(HyperWorkshop.Recipe with
        {
            Predictor = paper.Predictor with { HiddenSize = 16, NumAttentionHeads = 2 },
            SamePictureShare = paper.SamePictureShare,
            Steps = 3,
        });
        Assert.False(File.Exists(Path.Combine(place, "hypernetwork", "bases.safetensors")));
        using DiffusionModel model = workshop.Load(Device("cpu"));
        using PersonPredictor predictor = PersonPredictor.Load(Path.Combine(place, "hypernetwork"), model);
        Assert.True(predictor.Hyper.Config.Concatenated);
        Assert.Equal(4, predictor.Hyper.Config.Refinements);
        Assert.Equal([1, 12], Assert.Single(predictor.Hyper.Config.Memory));
    }

    string Train(HyperRecipe recipe, string? place = null, TextWriter? log = null, CancellationToken cancellation = default)
    {
        place ??= workshop.Model.NewPlace();
        new HyperTraining(recipe, workshop.Inputs(place), Device("cpu"), log ?? TextWriter.Null, false, cancellation).Run();
        return place;
    }

    sealed class CancelAfter(CancellationTokenSource source, string text) : StringWriter
    {
        public override void WriteLine(string? value)
        {
            if (value is not null && value.StartsWith(text, StringComparison.Ordinal))
                source.Cancel();
        }
    }
}
