using System.Text.Json;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.IO.Keys;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.Adapters;

/// Every dialect through every other.
[Trait("Category", "Fixtures")]
public sealed class AdapterDialectTests : IDisposable
{
    readonly string folder = Directory.CreateTempSubdirectory("ilgd").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    public static TheoryData<string> Sources =>
        ["kohya.safetensors", "kohya_fp16.safetensors", "kohya_locon_conv.safetensors", "diffusers_new_with_metadata.safetensors", "diffusers_old_processor.safetensors", "peft_unet"];

    [Theory]
    [MemberData(nameof(Sources))]
    public void A_round_trip_through_any_two_dialects_gives_the_same_change_bit_for_bit(string source)
    {
        AdapterFile original = AdapterFile.Read(Shared.Require("fixtures", "lora", source));
        Dictionary<string, float[]> delta = original.Modules.ToDictionary(m => m.Path, m => m.Delta());
        foreach (AdapterDialect first in AdapterDialect.All)
        {
            AdapterFile once = Through(original, first);
            Same(once, $"{source} as {first.Name}");
            foreach (AdapterDialect second in AdapterDialect.All)
                Same(Through(once, second), $"{source} as {first.Name} as {second.Name}");
        }

        void Same(AdapterFile file, string what)
        {
            Assert.True(delta.Keys.Order(StringComparer.Ordinal).SequenceEqual(file.Modules.Select(m => m.Path).Order(StringComparer.Ordinal)), what);
            foreach (AdapterModule m in file.Modules)
                Assert.True(delta[m.Path].AsSpan().SequenceEqual(m.Delta()), $"{what}: {m.Path}");
            // Without an alpha, half a number that was half precision's least needs one bit more.
            Assert.All(file.Modules.Zip(original.Modules), m => Assert.True(m.First.Storage == m.Second.Storage || m.First.Storage == SafetensorsDType.F32, what));
        }
    }

    // The fixture's files are of one LoRA, and for each it is recorded what diffusers, or PEFT, drew with it (LoraFixtureTests). kohya's are read by that program's scripts,
    // A1111 and ComfyUI by the same keys and the same alpha over rank.
    [Theory]
    [InlineData("diffusers_new_with_metadata.safetensors", "kohya", "kohya.safetensors")]
    [InlineData("kohya_no_alpha.safetensors", "diffusers-script", "diffusers_lora_down_up.safetensors")]
    [InlineData("kohya_no_alpha.safetensors", "diffusers-old", "diffusers_old_processor.safetensors")]
    [InlineData("kohya.safetensors", "diffusers", "diffusers_new_with_metadata.safetensors")]
    [InlineData("kohya.safetensors", "peft/unet", "peft_unet/adapter_model.safetensors")]
    [InlineData("kohya.safetensors", "peft/text_encoder", "peft_text_encoder/adapter_model.safetensors")]
    public void What_is_written_is_tensor_for_tensor_the_file_that_the_other_program_was_seen_to_read(string source, string dialect, string published)
    {
        string[] parts = dialect.Split('/');
        string place = Path.Combine(folder, "written");
        AdapterWriter.Write(place, AdapterDialect.ByName(parts[0]), AdapterFile.Read(Shared.Require("fixtures", "lora", source)).Modules, []);
        string path = parts.Length == 1 ? place : Path.Combine(place, parts[1], "adapter_model.safetensors");
        using SafetensorsReader written = new(path), expected = new(Shared.Require(["fixtures", "lora", .. published.Split('/')]));
        Assert.Equal(expected.Names.Order(StringComparer.Ordinal), written.Names.Order(StringComparer.Ordinal));
        foreach (string name in expected.Names)
        {
            Assert.Equal((expected.Entry(name).DType, string.Join(',', expected.Shape(name))), (written.Entry(name).DType, string.Join(',', written.Shape(name))));
            Assert.True(expected.Bytes(name).SequenceEqual(written.Bytes(name)), name);
        }

        // Where the strength stands beside the tensors, it is the same there.
        (string? ours, string? theirs) = parts.Length == 1
            ? (written.Metadata.GetValueOrDefault("lora_adapter_metadata"), expected.Metadata.GetValueOrDefault("lora_adapter_metadata"))
            : (Config(path), Config(expected.Path));
        Assert.Equal(theirs is null, ours is null);
        if (ours is null)
            return;
        foreach (string prefix in parts.Length == 1 ? (string[])["unet.", "text_encoder."] : [""])
            Assert.Equal(Strength(theirs!, prefix), Strength(ours, prefix));

        static string Config(string weights) => File.ReadAllText(Path.Combine(Path.GetDirectoryName(weights)!, "adapter_config.json"));

        static (string Kind, int Rank, double Alpha, bool Stabilised) Strength(string json, string prefix)
        {
            using JsonDocument config = JsonDocument.Parse(json);
            JsonElement Of(string key) => config.RootElement.GetProperty(prefix + key);
            return (Of("peft_type").GetString()!, Of("r").GetInt32(), Of("lora_alpha").GetDouble(), Of("use_rslora").GetBoolean());
        }
    }

    [Fact]
    public void Ranks_and_alphas_of_their_own_survive_every_dialect_that_can_say_them()
    {
        AdapterModule[] modules =
        [
            Random("unet", "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q", 16, 16, 4, 0.7f),
            Random("unet", "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_k", 16, 16, 3, 1f / 3),
            Random("unet", "down_blocks.0.attentions.0.proj_in", 16, 16, 1, 2) with { DownShape = [1, 16, 1, 1], UpShape = [16, 1, 1, 1] },
            Random("text_encoder", "text_model.encoder.layers.0.mlp.fc1", 40, 96, 2, 0.15f),
        ];
        foreach (AdapterDialect dialect in (AdapterDialect[])[AdapterDialect.Kohya, AdapterDialect.Diffusers, AdapterDialect.Peft])
        {
            AdapterFile read = Through(new AdapterFile("here", "made", modules, new Dictionary<string, string>()), dialect);
            foreach (AdapterModule m in modules)
            {
                AdapterModule same = read.Modules.Single(r => r.Path == m.Path);
                Assert.Equal((m.Rank, m.Scale), (same.Rank, same.Scale));
                Assert.Equal(m.DownShape, same.DownShape);
                Assert.Equal(m.Down, same.Down);
                Assert.Equal(m.Up, same.Up);
            }
        }

        foreach (AdapterDialect dialect in (AdapterDialect[])[AdapterDialect.DiffusersOld, AdapterDialect.DiffusersScript])
        {
            string said = Assert.Throws<IlgdException>(() => Through(new AdapterFile("here", "made", modules, new Dictionary<string, string>()), dialect)).Message;
            Assert.Contains("scale 0.7", said);
            Assert.Contains("has no alpha", said);
        }
    }

    [Fact]
    public void Kohyas_264_modules_of_stable_diffusion_1_5_are_spelled_and_read_in_every_dialect()
    {
        using UNet unet = new(UNetConfig.StableDiffusion);
        using ClipTextModel text = new(ClipTextConfig.StableDiffusion);
        string[] inBlocks = [".to_q", ".to_k", ".to_v", ".to_out.0", ".ff.net.0.proj", ".ff.net.2", ".proj_in", ".proj_out"];
        string[] inText = [".q_proj", ".k_proj", ".v_proj", ".out_proj", ".fc1", ".fc2"];
        (string Component, string Key)[] modules =
        [
            .. Modules(unet.Weights, inBlocks).Select(key => (AdapterKey.Unet, key)),
            .. Modules(text.Weights, inText).Select(key => (AdapterKey.Text, key)),
        ];
        Assert.Equal((192, 72), (modules.Count(m => m.Component == AdapterKey.Unet), modules.Count(m => m.Component == AdapterKey.Text)));
        foreach (AdapterDialect dialect in AdapterDialect.All)
        {
            foreach ((string component, string key) in modules)
            {
                foreach (AdapterPart part in (AdapterPart[])[AdapterPart.Down, AdapterPart.Up])
                {
                    string spelled = dialect.Spell(component, key, part);
                    AdapterKey read = AdapterDialect.Of(spelled)!.Value.Key;
                    Assert.Equal((component, key, part), (read.Component, read.Module, read.Part));
                }
            }
        }

        Assert.Equal("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_out_0.lora_down.weight",
            KohyaKeys.Spell("unet", "mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0", AdapterPart.Down));
        Assert.Equal("lora_te_text_model_encoder_layers_11_mlp_fc2.alpha", KohyaKeys.Spell("text_encoder", "text_model.encoder.layers.11.mlp.fc2", AdapterPart.Alpha));
    }

    [Fact]
    public void An_alpha_tensor_that_contradicts_the_config_is_refused()
    {
        string path = Path.Combine(folder, "two.safetensors");
        SafetensorsWriter writer = new();
        writer.Add("unet.conv_in.lora_A.weight", [2, 4], new float[8]);
        writer.Add("unet.conv_in.lora_B.weight", [4, 2], new float[8]);
        writer.Add("unet.conv_in.alpha", [], new[] { 1f });
        writer.Metadata["lora_adapter_metadata"] = """{ "unet.r": 2, "unet.lora_alpha": 2 }""";
        writer.Write(path);

        string said = Assert.Throws<IlgdException>(() => AdapterFile.Read(path)).Message;
        Assert.Contains("scale 0.5 by its alpha tensor and 1 by its config", said);
    }

    [Theory]
    [InlineData("""{ "r": 2, "use_dora": true }""", "DoRA")]
    [InlineData("""{ "r": 2, "peft_type": "LOHA" }""", "LOHA")]
    [InlineData("""{ "r": 2, "bias": "all" }""", "'bias'")]
    [InlineData("""{ "r": 3 }""", "rank 2 in its tensors and 3 in its config")]
    [InlineData("""{ "r": 2, "rank_pattern": { "conv_in": 4 } }""", "4 in its config")]
    [InlineData("""{ "lora_alpha": 2 }""", "no key 'r'")]
    [InlineData("""{ "r": "two" }""", "not a valid LoRA config")]
    [InlineData("[", "not valid JSON")]
    public void A_PEFT_config_that_is_no_plain_LoRA_is_refused(string config, string said)
    {
        SafetensorsWriter writer = new();
        writer.Add("base_model.model.conv_in.lora_A.weight", [2, 4], new float[8]);
        writer.Add("base_model.model.conv_in.lora_B.weight", [4, 2], new float[8]);
        writer.Write(Path.Combine(folder, "adapter_model.safetensors"));
        File.WriteAllText(Path.Combine(folder, "adapter_config.json"), config);

        Assert.Contains(said, Assert.Throws<IlgdException>(() => AdapterFile.Read(folder)).Message);
    }

    AdapterFile Through(AdapterFile file, AdapterDialect dialect)
    {
        string path = Path.Combine(folder, $"{Guid.NewGuid():N}");
        AdapterWriter.Write(path, dialect, file.Modules, file.Metadata.Select(m => (m.Key, m.Value)));
        AdapterFile read = AdapterFile.Read(path);
        // What has no attention in it is written by the script's words in the old dialect.
        Assert.Equal(dialect.Name, read.Dialect);
        return read;
    }

    static IEnumerable<string> Modules(Weights weights, string[] ends) =>
        from p in weights.Parameters
        where p.Name.EndsWith(".weight", StringComparison.Ordinal)
        let key = p.Name[..^".weight".Length]
        where ends.Any(end => key.EndsWith(end, StringComparison.Ordinal))
        select key;

    static AdapterModule Random(string component, string key, int inFeatures, int outFeatures, int rank, float scale) => new(
        component, key, rank, null, scale, RandomBasis.Gaussian(1, key + "down", rank * inFeatures), RandomBasis.Gaussian(1, key + "up", rank * outFeatures));
}
