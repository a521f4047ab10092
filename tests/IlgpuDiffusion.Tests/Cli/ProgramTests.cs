using System.Text.Json;
using System.Text.Json.Nodes;
using IlgpuDiffusion.Data.World;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Tensors.Rng;
using IlgpuDiffusion.Tests.Fixtures;
using IlgpuDiffusion.Tests.Personalization;
using RgbImage = IlgpuDiffusion.IO.RgbImage;

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
    public void What_weighs_the_loss_is_in_the_header_and_the_record_unless_the_header_is_to_say_nothing()
    {
        (double alike, IReadOnlyDictionary<string, string> plain, JsonElement none) = FirstLoss(model.Folder);
        Assert.DoesNotContain(plain.Keys, key => Array.Exists(LossKeys, k => k == key));
        Assert.Contains("ss_tag_frequency", plain.Keys);
        // Nothing in records of runs that ask for nothing: they are found by them.
        Assert.All((string[])["loss_weighting", "noise_offset", "input_perturbation"], key => Assert.False(none.TryGetProperty(key, out _)));

        double minSnr = Only("ss_min_snr_gamma", "5", "min_snr_gamma", "5", "--snr-gamma", "5");
        Assert.Equal(minSnr, Only("ss_min_snr_gamma", "5", "loss_weighting", "min-snr", "--loss-weighting", "min-snr"));
        double[] others =
        [
            alike,
            minSnr,
            Only("ss_min_snr_gamma", "2", "min_snr_gamma", "2", "--loss-weighting", "min-snr", "--snr-gamma", "2"),
            Only("ss_debiased_estimation", "True", "loss_weighting", "debiased", "--loss-weighting", "debiased"),
            Only("ss_noise_offset", "0.1", "noise_offset", "0.1", "--noise-offset", "0.1"),
            Only("ss_ip_noise_gamma", "0.2", "input_perturbation", "0.2", "--ip-noise-gamma", "0.2"),
        ];
        Assert.Equal(others, others.Distinct());
        Assert.NotEqual(alike, FirstLoss(model.Folder, "--loss-weighting", "p2").Loss);
        Assert.Equal(alike, FirstLoss(model.Folder, "--loss-weighting", "none").Loss);
        // A network that predicts v has a weighting more.
        string v = Configured("loss-v", Scheduler, ("prediction_type", "v_prediction"));
        Assert.NotEqual(FirstLoss(v).Loss, FirstLoss(v, "--loss-weighting", "scale-v").Loss);

        (double same, IReadOnlyDictionary<string, string> bare, _) = FirstLoss(model.Folder, "--snr-gamma", "5", "--no-metadata");
        Assert.Equal(minSnr, same);
        Assert.Equal(["format", "ss_base_model_version", "ss_network_alpha", "ss_network_dim", "ss_network_module", "ss_v2", "sshs_legacy_hash", "sshs_model_hash"], bare.Keys.Order(StringComparer.Ordinal));

        // Of the keys about the loss this one alone, and the record has the setting.
        double Only(string key, string value, string setting, string set, params string[] options)
        {
            (double loss, IReadOnlyDictionary<string, string> header, JsonElement method) = FirstLoss(model.Folder, options);
            Assert.Equal([(key, value)], header.Where(h => Array.Exists(LossKeys, k => k == h.Key)).Select(h => (h.Key, h.Value)));
            Assert.Equal(set, $"{method.GetProperty(setting)}");
            return loss;
        }
    }

    [Fact]
    public void Weightings_that_cannot_be_are_refused_before_anything_is_done()
    {
        Captured twice = Captured.Ilgd("personalize", model.Photo, "--model", model.Folder, "--loss-weighting", "debiased", "--snr-gamma", "5");
        Assert.Equal(2, twice.Code);
        Assert.Contains("--snr-gamma is min-snr's, and --loss-weighting is debiased", twice.OneLine());
        Captured noV = Captured.Ilgd("personalize", model.Photo, "--model", model.Folder, "--loss-weighting", "scale-v", "--threads", "1", "--out", model.NewPlace());
        Assert.Equal(1, noV.Code);
        Assert.Contains("this model does not predict v", noV.OneLine());
        Assert.DoesNotContain("memory:", noV.Output);
    }

    [Fact]
    public void A_mask_says_what_of_the_photo_is_learned()
    {
        string left = Mask("left.png", 48, x => x < 24), all = Mask("all.png", 48, _ => true);
        double whole = FirstLoss(model.Folder).Loss;
        (double half, IReadOnlyDictionary<string, string> header, _) = FirstLoss(model.Folder, "--mask", left);
        Assert.Equal("True", header["ss_masked_loss"]);
        Assert.InRange(half, 0.1 * whole, 0.9 * whole);
        // By way of a sum of ones.
        Assert.Equal(whole, FirstLoss(model.Folder, "--mask", all).Loss, 1e-6);

        // The crop is the photo's: nothing is white in this one.
        Refused("is black all over the face", "--mask", left, "--crop", "24,0,24");
        Refused("has 40 x 40 pixels, the photo", "--mask", Mask("small.png", 40, _ => true));
        Refused("nowhere.png", "--mask", "nowhere.png");

        string Mask(string name, int size, Func<int, bool> white)
        {
            string path = Path.Combine(model.Root, name);
            ImageFile.SavePng(path, new RgbImage(size, size, [.. Enumerable.Range(0, size * size).SelectMany(i => Enumerable.Repeat((byte)(white(i % size) ? 255 : 0), 3))]));
            return path;
        }

        void Refused(string says, params string[] options)
        {
            Captured run = Captured.Ilgd(["personalize", model.Photo, "--model", model.Folder, "--threads", "1", "--out", model.NewPlace(), .. options]);
            Assert.Equal(1, run.Code);
            Assert.Contains(says, run.OneLine());
        }
    }

    // 24 pairs of 64 × 64 latents would be as much work as 384 of 16 × 16.
    [Fact]
    public void Of_large_latents_as_many_pairs_are_taken_as_go_through_the_network_at_once_or_as_many_as_were_asked_for()
    {
        string large = Configured("large", "unet/config.json", ("sample_size", 64));
        Assert.Equal(24, FirstLoss(model.Folder).Method.GetProperty("pairs").GetInt32());
        Assert.Equal(1, FirstLoss(large).Method.GetProperty("pairs").GetInt32());
        JsonElement asked = FirstLoss(large, "--pairs", "2", "--prior", "3").Method;
        Assert.Equal((2, 3), (asked.GetProperty("pairs").GetInt32(), asked.GetProperty("prior_pairs").GetInt32()));

        string place = model.NewPlace();
        Captured run = Captured.Ilgd(["personalize", model.Photo, "--model", large, "--method", "dreambooth-prior", .. Quick, "--out", place]);
        Assert.True(run.Code == 0, run.Error);
        Assert.Contains("1 pair and 1 of the class an iteration, not 24 pairs and 6 of the class as on small latents", run.Output);
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(Path.Combine(place, "run.json")));
        Assert.StartsWith("1 pair and 1 of the class an iteration", json.RootElement.GetProperty("memory").GetProperty("phases")[2].GetProperty("note").GetString());
    }

    static readonly string[] LossKeys = ["ss_min_snr_gamma", "ss_debiased_estimation", "ss_noise_offset", "ss_ip_noise_gamma", "ss_masked_loss"];

    static readonly string[] Quick = ["--prompt", "a [V] face", "--steps", "1", "--sampling-steps", "1", "--threads", "1"];

    // Of a run of one step: its loss, the adapter's header and the method in the record.
    (double Loss, IReadOnlyDictionary<string, string> Header, JsonElement Method) FirstLoss(string folder, params string[] more)
    {
        string place = model.NewPlace();
        Captured run = Captured.Ilgd(["personalize", model.Photo, "--model", folder, .. Quick, "--json", "--out", place, .. more]);
        Assert.True(run.Code == 0, run.Error);
        using SafetensorsReader file = new(Path.Combine(place, "adapter.safetensors"));
        using JsonDocument json = JsonDocument.Parse(run.Output);
        return (json.RootElement.GetProperty("loss")[0].GetDouble(), file.Metadata.ToDictionary(), json.RootElement.GetProperty("settings").GetProperty("method").Clone());
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
        string v = Configured("v", Scheduler, ("prediction_type", "v_prediction")), trailing = Configured("trailing", Scheduler, ("timestep_spacing", "trailing"));
        string shifted = Configured("shifted", Scheduler, ("prediction_type", "v_prediction"), ("rescale_betas_zero_snr", true));
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

    const string Scheduler = "scheduler/scheduler_config.json";

    // The model with other settings in one of its files; everything else is the same.
    string Configured(string name, string file, params (string Key, JsonNode Value)[] settings)
    {
        string folder = Path.Combine(model.Root, name);
        foreach (string path in Directory.GetFiles(model.Folder, "*", SearchOption.AllDirectories))
        {
            string to = Path.Combine(folder, Path.GetRelativePath(model.Folder, path));
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            File.Copy(path, to);
        }

        string config = Path.Combine(folder, file);
        JsonNode json = JsonNode.Parse(File.ReadAllText(config))!;
        foreach ((string key, JsonNode value) in settings)
            json[key] = value;
        File.WriteAllText(config, json.ToJsonString());
        return folder;
    }
}
