using System.Text.Json;
using System.Text.Json.Nodes;
using IlgpuDiffusion.Data.World;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Tensors.Rng;
using IlgpuDiffusion.Tests.Fixtures;
using IlgpuDiffusion.Tests.Personalization;

namespace IlgpuDiffusion.Tests.Cli;

public sealed class ProgramTests(TinyModel model) : IClassFixture<TinyModel>
{
    [Theory]
    [InlineData("personalize")]
    [InlineData("generate")]
    [InlineData("evaluate")]
    [InlineData("study")]
    [InlineData("devices")]
    [InlineData("train", "base")]
    [InlineData("train", "evaluators")]
    [InlineData("kernels", "list")]
    [InlineData("kernels", "dump")]
    [InlineData("train", "hypernetwork")]
    [InlineData("train", "targets")]
    public void Every_verb_has_help_with_examples(params string[] verb)
    {
        Captured help = Captured.Ilgd([.. verb, "--help"]);
        Assert.Equal(0, help.Code);
        Assert.Contains($"Examples:\n  ilgd {string.Join(' ', verb)}", help.Output);
        Assert.Empty(help.Error);
    }

    [Theory]
    [InlineData("inspect")]
    [InlineData("convert")]
    [InlineData("diff")]
    [InlineData("merge")]
    [InlineData("extract")]
    [InlineData("make-formula")]
    [InlineData("verify")]
    [InlineData("make-world")]
    public void Every_tool_has_help_with_examples(string verb) =>
        Assert.Contains($"Examples:\n  weights-tools {verb}", Captured.WeightsTools(verb, "--help").Output);

    [Fact]
    public void Devices_lists_every_name_and_cpu_is_here()
    {
        Captured run = Captured.Ilgd("devices", "--json");
        using JsonDocument json = JsonDocument.Parse(run.Output);
        Assert.Equal(["cpu", "cpu-sim", "ptx-sim", "cuda", "opencl"], json.RootElement.EnumerateArray().Select(d => d.GetProperty("name").GetString()!));
        Assert.True(json.RootElement[0].GetProperty("available").GetBoolean());
    }

    [Fact]
    public void Personalize_with_json_prints_the_record_and_nothing_else()
    {
        string place = model.NewPlace();
        Captured run = Captured.Ilgd(
            "personalize", model.Photo, "--model", model.Folder, "--crop", "4,4,40", "--prompt", "a [V] face", "--steps", "1", "--sampling-steps", "1",
            "--method", "lidb", "--rank", "2", "--seed", "9", "--threads", "1", "--conv", "f2", "--json", "--out", place);
        Assert.True(run.Code == 0, run.Error);
        using JsonDocument json = JsonDocument.Parse(run.Output);
        JsonElement settings = json.RootElement.GetProperty("settings");
        Assert.Equal("f2", settings.GetProperty("conv").GetString());
        Assert.Equal((9, 40), (settings.GetProperty("seed").GetInt32(), settings.GetProperty("crop").GetProperty("size").GetInt32()));
        Assert.Equal(File.ReadAllText(Path.Combine(place, "run.json")), run.Output.TrimEnd('\n'));

        Captured inspected = Captured.WeightsTools("inspect", Path.Combine(place, "adapter.safetensors"), "--json");
        using JsonDocument inspection = JsonDocument.Parse(inspected.Output);
        Assert.Equal("kohya", inspection.RootElement.GetProperty("dialect").GetString());
        Assert.Equal(2, inspection.RootElement.GetProperty("modules")[0].GetProperty("rank").GetInt32());
        Assert.Contains("LiDB", Captured.WeightsTools("inspect", Path.Combine(place, "lidb.safetensors")).Output);
    }

    [Fact]
    public void Personalize_without_a_hypernetwork_says_so_and_predicts_nothing()
    {
        string place = model.NewPlace();
        string[] quick = ["--model", model.Folder, "--prompt", "a [V] face", "--steps", "1", "--sampling-steps", "1", "--threads", "1"];
        Captured run = Captured.Ilgd(["personalize", model.Photo, .. quick, "--out", place]);
        Assert.True(run.Code == 0, run.Error);
        Assert.Contains($"{model.Folder}: has no hypernetwork, so nothing is predicted: method lora", run.Output);
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(Path.Combine(place, "run.json")));
        JsonElement settings = json.RootElement.GetProperty("settings"), method = settings.GetProperty("method");
        Assert.Equal(("lora", "none"), (method.GetProperty("name").GetString(), method.GetProperty("prediction").GetString()));
        Assert.True(File.Exists(Path.Combine(place, "adapter.safetensors")));
        Assert.False(File.Exists(Path.Combine(place, "prediction.safetensors")));

        // Who asks for a prediction is told where to get one, and how to do without.
        Captured refused = Captured.Ilgd(["personalize", model.Photo, .. quick, "--method", "hyperdreambooth", "--out", model.NewPlace()]);
        Assert.Equal(1, refused.Code);
        Assert.Contains("name one with --hypernetwork DIR, or take --method no-hyper", refused.OneLine());
    }

    [Fact]
    public void Min_SNR_weighs_the_loss_and_the_header_says_so_unless_it_is_to_say_nothing()
    {
        double Loss(out IReadOnlyCollection<string> header, params string[] more)
        {
            string place = model.NewPlace();
            Captured run = Captured.Ilgd(
            [
                "personalize", model.Photo, "--model", model.Folder, "--prompt", "a [V] face", "--steps", "1", "--sampling-steps", "1", "--threads", "1", "--json", "--out", place, .. more,
            ]);
            Assert.True(run.Code == 0, run.Error);
            using SafetensorsReader file = new(Path.Combine(place, "adapter.safetensors"));
            header = [.. file.Metadata.Keys];
            using JsonDocument json = JsonDocument.Parse(run.Output);
            return json.RootElement.GetProperty("loss")[0].GetDouble();
        }

        double alike = Loss(out IReadOnlyCollection<string> plain), weighed = Loss(out IReadOnlyCollection<string> minSnr, "--snr-gamma", "5");
        Assert.NotEqual(alike, weighed);
        Assert.DoesNotContain("ss_min_snr_gamma", plain);
        Assert.Contains("ss_min_snr_gamma", minSnr);
        Assert.Contains("ss_tag_frequency", plain);
        Assert.Equal(weighed, Loss(out IReadOnlyCollection<string> bare, "--snr-gamma", "5", "--no-metadata"));
        Assert.Equal(["format", "ss_base_model_version", "ss_network_alpha", "ss_network_dim", "ss_network_module", "ss_v2", "sshs_legacy_hash", "sshs_model_hash"], bare.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_prompt_file_is_a_gallery_and_a_picture_can_be_begun_from()
    {
        (string gallery, string list) = (model.NewPlace(), Path.Combine(model.Root, "gallery.txt"));
        File.WriteAllText(list, "# two prompts\na face\n\na face in snow\n");
        string[] common = ["generate", "--model", model.Folder, "--steps", "10", "--guidance", "1", "--threads", "1"];
        Captured run = Captured.Ilgd([.. common, "--prompts", list, "--count", "2", "--out", gallery]);
        Assert.True(run.Code == 0, run.Error);
        Assert.Equal(["01-a-face.png", "02-a-face.png", "03-a-face-in-snow.png", "04-a-face-in-snow.png"], Directory.GetFiles(gallery).Select(f => Path.GetFileName(f)).Order());

        // Of ten steps one and nine: the less is drawn anew, the less the noise decides.
        double BetweenSeeds(string strength)
        {
            byte[][] drawn = Array.ConvertAll((string[])["1", "2"], seed =>
            {
                string place = model.NewPlace();
                Captured begun = Captured.Ilgd([.. common, "--prompt", "a face", "--image", model.Photo, "--strength", strength, "--seed", seed, "--out", place]);
                Assert.True(begun.Code == 0, begun.Error);
                return ImageFile.Load(Assert.Single(Directory.GetFiles(place))).Pixels;
            });
            return drawn[0].Zip(drawn[1], (x, y) => Math.Abs((double)x - y)).Average();
        }

        double near = BetweenSeeds("0.1"), far = BetweenSeeds("0.9");
        Assert.True(near < far, $"two seeds are {near} levels apart at strength 0.1, {far} at 0.9");
        foreach (string[] wrong in (string[][])[common, [.. common, "--prompt", "a face", "--strength", "0.5"], [.. common, "--prompt", "a face", "--image", model.Photo, "--strength", "1.5"]])
            Assert.Equal(2, Captured.Ilgd(wrong).Code);
        Captured none = Captured.Ilgd([.. common, "--prompt", "a face", "--image", model.Photo, "--strength", "0.05", "--out", model.NewPlace()]);
        Assert.Equal(1, none.Code);
        Assert.Contains("leaves none", none.OneLine());
    }

    [Fact]
    public void Torchs_numbers_and_saved_latents_give_the_same_picture_again()
    {
        (string first, string second, string noise) = (model.NewPlace(), model.NewPlace(), Path.Combine(model.Root, "noise.safetensors"));
        string[] common = ["generate", "--model", model.Folder, "--prompt", "a face", "--steps", "2", "--threads", "1"];
        Captured run = Captured.Ilgd([.. common, "--rng", "torch", "--seed", "42", "--count", "2", "--save-latents", noise, "--out", first]);
        Assert.True(run.Code == 0, run.Error);

        using (SafetensorsReader file = new(noise))
        {
            Assert.Equal([2, 4, 8, 8], file.Shape("latents"));
            float[] expected = new float[256];
            new TorchGenerator(43).Randn(expected);
            Assert.Equal(expected, file.ReadFloat32("latents")[256..]);
        }

        Assert.Equal(0, Captured.Ilgd([.. common, "--latents", noise, "--out", second]).Code);
        Assert.Equal(File.ReadAllBytes(Path.Combine(first, "02-a-face.png")), File.ReadAllBytes(Path.Combine(second, "02-a-face.png")));
    }

    [Theory]
    [InlineData("ddim")]
    [InlineData("ddpm")]
    [InlineData("dpm++")]
    public void Every_scheduler_draws_at_any_size_that_fits(string scheduler)
    {
        string place = model.NewPlace();
        Captured run = Captured.Ilgd(
            "generate", "--model", model.Folder, "--prompt", "a face", "--steps", "3", "--scheduler", scheduler, "--width", "24", "--height", "8", "--threads", "1", "--out", place);
        Assert.True(run.Code == 0, run.Error);
        Assert.Equal(24, ImageFile.Load(Path.Combine(place, "01-a-face.png")).Width);
    }

    // What scheduler_config.json says and what is said instead of it: the same pictures.
    [Fact]
    public void Spacing_and_a_schedule_without_signal_at_its_end_can_be_asked_for()
    {
        string v = Configured("v", ("prediction_type", "v_prediction")), trailing = Configured("trailing", ("timestep_spacing", "trailing"));
        string shifted = Configured("shifted", ("prediction_type", "v_prediction"), ("rescale_betas_zero_snr", true));
        Assert.Equal(Draw(trailing), Draw(model.Folder, "--spacing", "trailing"));
        Assert.NotEqual(Draw(model.Folder), Draw(trailing));
        Assert.Equal(Draw(shifted), Draw(v, "--zero-snr"));
        Assert.NotEqual(Draw(v), Draw(shifted));

        Captured refused = Captured.Ilgd("generate", "--model", model.Folder, "--prompt", "a face", "--zero-snr", "--threads", "1", "--out", model.NewPlace());
        Assert.Equal(1, refused.Code);
        Assert.Contains("predicts the noise", refused.OneLine());

        byte[] Draw(string folder, params string[] more)
        {
            string place = model.NewPlace();
            Captured run = Captured.Ilgd(["generate", "--model", folder, "--prompt", "a face", "--steps", "3", "--threads", "1", "--out", place, .. more]);
            Assert.True(run.Code == 0, run.Error);
            return ImageFile.Load(Assert.Single(Directory.GetFiles(place))).Pixels;
        }

        // The model with other settings of its scheduler; everything else is the same files.
        string Configured(string name, params (string Key, JsonNode Value)[] settings)
        {
            string folder = Path.Combine(model.Root, name);
            foreach (string file in Directory.GetFiles(model.Folder, "*", SearchOption.AllDirectories))
            {
                string to = Path.Combine(folder, Path.GetRelativePath(model.Folder, file));
                Directory.CreateDirectory(Path.GetDirectoryName(to)!);
                File.Copy(file, to);
            }

            string config = Path.Combine(folder, "scheduler", "scheduler_config.json");
            JsonNode json = JsonNode.Parse(File.ReadAllText(config))!;
            foreach ((string key, JsonNode value) in settings)
                json[key] = value;
            File.WriteAllText(config, json.ToJsonString());
            return folder;
        }
    }

    [Fact]
    public void Verify_accepts_a_model_folder_and_names_what_is_not_finite()
    {
        Captured good = Captured.WeightsTools("verify", model.Folder);
        Assert.True(good.Code == 0, good.Error);
        Assert.Contains("'sks' is one token", good.Output);
        Assert.Equal(1, Captured.WeightsTools("verify", model.Folder, "--identifier", "zxqj").Code);
        Assert.Contains("unet", Captured.WeightsTools("inspect", model.Folder).Output);

        string path = Path.Combine(model.Root, "nan.safetensors");
        SafetensorsWriter writer = new();
        writer.Add("w", [2], new[] { 1, float.NaN });
        writer.Write(path);
        Captured bad = Captured.WeightsTools("verify", path);
        Assert.Equal(1, bad.Code);
        Assert.Contains("'w' has NaN at element 1", bad.OneLine());
    }

    [Fact]
    public void Make_world_renders_people_that_no_training_sees()
    {
        string place = model.NewPlace();
        Assert.Equal(0, Captured.WeightsTools("make-world", "--out", place, "--people", "2", "--size", "32", "--held-out").Code);
        Assert.Equal(["1000000", "1000001"], Directory.GetDirectories(place).Select(d => Path.GetFileName(d)).Order(StringComparer.Ordinal));
        Assert.Equal(32, ImageFile.Load(Path.Combine(place, "1000001", "smiling.png")).Width);
    }

    [Fact]
    [Trait("Category", "Fixtures")]
    public void Make_world_puts_hats_and_styles_on_photographs_of_people_that_no_training_sees()
    {
        string place = model.NewPlace();
        Captured run = Captured.WeightsTools("make-world", "--out", place, "--people", "2", "--photos", Shared.Require("data"), "--held-out");
        Assert.True(run.Code == 0, run.Error);
        Assert.Equal(HeldOutPeople.London.Take(2), Directory.GetDirectories(place).Select(d => Path.GetFileName(d)).Order(StringComparer.Ordinal));
        string[] pictures = [.. Directory.GetFiles(Path.Combine(place, "007")).Select(f => Path.GetFileNameWithoutExtension(f))];
        Assert.Equal(17, pictures.Length);
        Assert.Contains("red-hat", pictures);
        Assert.DoesNotContain("sad", pictures);
        Assert.Equal(17, pictures.Select(p => Convert.ToHexString(ImageFile.Load(Path.Combine(place, "007", $"{p}.png")).Pixels)).Distinct().Count());

        // Without --held-out they are others: methods are tuned on those.
        string development = model.NewPlace();
        run = Captured.WeightsTools("make-world", "--out", development, "--people", "3", "--photos", Shared.Require("data"));
        Assert.True(run.Code == 0, run.Error);
        Assert.Equal(3, Directory.GetDirectories(development).Length);
        Assert.DoesNotContain(Directory.GetDirectories(development), d => HeldOutPeople.London.Contains(Path.GetFileName(d)));
    }
}
