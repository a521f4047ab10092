using System.Security.Cryptography;
using System.Text.Json;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Cli;
using IlgpuDiffusion.Tests.Personalization;

namespace IlgpuDiffusion.Tests.WeightsTools;

/// The program as people use it, on a model and an adapter made here.
public sealed class WeightsToolsTests(Devices devices, TinyModel tiny) : DeviceTest(devices), IClassFixture<TinyModel>
{
    [Theory]
    [InlineData("diffusers")]
    [InlineData("diffusers-script")]
    [InlineData("diffusers-old")]
    [InlineData("peft")]
    [InlineData("kohya")]
    public void An_adapter_is_converted_and_is_the_same_and_draws_the_same_picture(string dialect)
    {
        (string adapter, string converted) = (Adapter(), tiny.NewPlace());
        Assert.Contains($"{dialect}, 40 of 40 modules read back, ΔW the same bit for bit in 40", Good("convert", adapter, converted, "--to", dialect));
        Assert.Contains("the same", Good("diff", adapter, converted));
        Assert.Contains($"40 of 40 modules matched", Good("verify", converted, "--model", tiny.Folder));

        RgbImage first = Draw(adapter, out string said), second = Draw(converted, out string saidOfConverted);
        Assert.Contains("kohya, 40 of 40 modules matched", said);
        Assert.Contains($"{dialect}, 40 of 40 modules matched", saidOfConverted);
        Assert.Equal(first.Pixels, second.Pixels);
    }

    [Fact]
    public void A_scale_that_a_dialect_cannot_say_is_refused_in_one_line()
    {
        string adapter = Adapter(scale: 0.7f), place = tiny.NewPlace();
        Captured run = Captured.WeightsTools("convert", adapter, place, "--to", "diffusers-old");
        Assert.Equal(1, run.Code);
        Assert.Contains("scale 0.7", run.OneLine());
        Assert.False(File.Exists(place));
        Good("convert", adapter, place, "--to", "peft");
    }

    [Fact]
    public void No_metadata_leaves_what_readers_need()
    {
        string place = tiny.NewPlace();
        Good("convert", Adapter(), place, "--to", "kohya", "--no-metadata");
        using SafetensorsReader file = new(place);
        byte[] bytes = File.ReadAllBytes(place);
        int data = 8 + (int)BitConverter.ToUInt64(bytes);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(bytes.AsSpan(data))), file.Metadata["sshs_model_hash"]);
        Assert.Equal(["format", "ss_base_model_version", "ss_network_alpha", "ss_network_dim", "ss_network_module", "ss_v2", "sshs_legacy_hash", "sshs_model_hash"], file.Metadata.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Diff_of_different_files_ends_with_1_and_names_the_module()
    {
        Captured run = Captured.WeightsTools("diff", Adapter(), Adapter(scale: 0.25f), "--json");
        Assert.Equal(1, run.Code);
        using JsonDocument json = JsonDocument.Parse(run.Output);
        Assert.False(json.RootElement.GetProperty("same").GetBoolean());
        Assert.Equal(40, json.RootElement.GetProperty("differing").GetArrayLength());
    }

    [Fact]
    public void A_model_goes_to_one_file_and_back()
    {
        (string file, string again) = (tiny.NewPlace() + ".safetensors", tiny.NewPlace());
        Good("convert", tiny.Folder, file, "--to", "single-file");
        Good("convert", file, again, "--to", "folder", "--model-config", tiny.Folder);
        Assert.Contains("the same", Good("diff", tiny.Folder, again));
        string half = tiny.NewPlace();
        Good("convert", tiny.Folder, half, "--to", "folder", "--dtype", "fp16");
        Assert.Contains("F16", Good("inspect", half));
    }

    [Fact]
    public void A_merged_model_is_the_model_with_the_adapter_folded_in_and_the_adapter_is_extracted_again()
    {
        (string adapter, string merged, string extracted) = (Adapter(), tiny.NewPlace(), tiny.NewPlace());
        Good("merge", tiny.Folder, "--adapter", $"{adapter}:0.5", "--out", merged);
        using (DiffusionModel model = ModelFolder.Load(tiny.Folder, Device("cpu")), other = ModelFolder.Load(merged, Device("cpu")))
        {
            using Fold fold = new(model);
            fold.Add(AdapterFile.Load(adapter, model), 0.5f);
            Assert.Equal(model.UNet.Weights.Values.ToArray(), other.UNet.Weights.Values.ToArray());
            Assert.Equal(model.TextEncoder.Weights.Values.ToArray(), other.TextEncoder.Weights.Values.ToArray());
        }

        Assert.Contains("40 modules of rank 2, which leaves out 0.00%", Good("extract", tiny.Folder, merged, "--rank", "2", "--out", extracted));
        Dictionary<string, AdapterModule> made = AdapterFile.Read(adapter).Modules.ToDictionary(m => m.Path);
        foreach (AdapterModule m in AdapterFile.Read(extracted).Modules)
            Fixtures.Tol.Close(m.Delta(), Array.ConvertAll(made[m.Path].Delta(), v => v / 2), 1e-5, m.Path);

        Captured nothing = Captured.WeightsTools("extract", tiny.Folder, tiny.Folder, "--out", tiny.NewPlace());
        Assert.Equal(1, nothing.Code);
        Assert.Contains("nothing to extract", nothing.OneLine());
    }

    [Fact]
    public void Inspect_says_what_an_adapter_is()
    {
        string adapter = Adapter(metadata: [("modelspec.trigger_phrase", "sks"), ("ss_tag_frequency", """{ "10_sks": { "smile": 1, "red hat": 3 } }""")], dead: true);
        string text = Good("inspect", adapter);
        Assert.Contains("dialect kohya", text);
        Assert.Contains("sks, red hat, smile", text);
        Assert.Contains("dead        1 of 40 change nothing", text);

        using JsonDocument json = JsonDocument.Parse(Good("inspect", adapter, "--json"));
        JsonElement module = json.RootElement.GetProperty("modules").EnumerateArray().Last();
        AdapterModule read = AdapterFile.Read(adapter).Modules[^1];
        Assert.Equal(Math.Sqrt(read.Delta().Sum(v => (double)v * v)), module.GetProperty("norm").GetDouble(), 1e-6);
        Assert.Equal((2, 0.5), (module.GetProperty("rank").GetInt32(), module.GetProperty("scale").GetDouble()));
        Assert.Equal(40, json.RootElement.GetProperty("coverage").EnumerateArray().Sum(c => c.GetProperty("modules").GetInt32()));
    }

    [Fact]
    public void A_formula_folder_loads_and_holds_the_formula()
    {
        string place = tiny.NewPlace();
        Good("make-formula", "--config", tiny.Folder, "--out", place);
        using DiffusionModel model = ModelFolder.Load(place, Device("cpu"));
        Parameter p = model.UNet.Weights["conv_in.weight"];
        Assert.Equal(FormulaWeights.Make("conv_in.weight", p.Published.Dims.ToArray()), p.ToPublished(p.Value.ToArray()));
    }

    [Fact]
    public void New_words_go_between_kohyas_file_and_diffusers()
    {
        string words = Path.Combine(tiny.Root, "hatface.safetensors");
        new TextualInversion(words, "hatface", 32, RandomBasis.Gaussian(1, "words", 64)).Save(words, kohya: true);
        string learned = tiny.NewPlace();
        Good("convert", words, learned, "--to", "diffusers");
        Assert.Equal("hatface", TextualInversion.Load(learned).Token);
        RgbImage plain = Draw(null, out _), first = Draw(words, out string said, "a hatface in snow"), second = Draw(learned, out _, "a hatface in snow");
        Assert.Contains("the word hatface of 2 vectors", said);
        Assert.Equal(first.Pixels, second.Pixels);
        Assert.NotEqual(plain.Pixels, first.Pixels);

        Captured weighted = Captured.Ilgd("generate", "--model", tiny.Folder, "--prompt", "a face", "--adapter", $"{words}:0.5", "--out", tiny.NewPlace());
        Assert.Equal(1, weighted.Code);
        Assert.Contains("no strength", weighted.OneLine());
    }

    static string Good(params string[] args)
    {
        Captured run = Captured.WeightsTools(args);
        Assert.True(run.Code == 0, run.Error + run.Output);
        return run.Output;
    }

    RgbImage Draw(string? adapter, out string said, string prompt = "a face in snow")
    {
        string place = tiny.NewPlace();
        string[] with = adapter is null ? [] : ["--adapter", adapter];
        Captured run = Captured.Ilgd(["generate", "--model", tiny.Folder, "--prompt", prompt, "--steps", "2", "--threads", "1", "--out", place, .. with]);
        Assert.True(run.Code == 0, run.Error);
        said = run.Error;
        return ImageFile.Load(Directory.GetFiles(place, "*.png").Single());
    }

    // On every layer that adapters are put on, rank 2.
    string Adapter(float scale = 0.5f, (string Key, string Value)[]? metadata = null, bool dead = false)
    {
        using DiffusionModel model = ModelFolder.Load(tiny.Folder, Device("cpu"));
        AdapterModule[] modules =
        [
            .. AdapterTarget.Of(model.UNet.Weights, model.TextEncoder.Weights).Select((t, i) => new AdapterModule(
                t.Component, t.Key, 2, null, scale,
                RandomBasis.Gaussian(1, t.Path + "down", 2 * t.Layer.InFeatures, 0.1f),
                dead && i == 0 ? new float[2 * t.Layer.OutFeatures] : RandomBasis.Gaussian(1, t.Path + "up", 2 * t.Layer.OutFeatures, 0.5f))),
        ];
        string path = tiny.NewPlace();
        AdapterWriter.Write(path, AdapterDialect.Kohya, modules, metadata ?? [("ss_seed", "1")]);
        return path;
    }
}
