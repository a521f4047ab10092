using System.Text.Json;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.IO;

/// Checkpoints in the names of the original latent-diffusion code, against the same model as a folder.
[Trait("Category", "Fixtures")]
public class SingleFileTests(Devices devices) : DeviceTest(devices), IDisposable
{
    readonly string folder = Directory.CreateTempSubdirectory("ilgd").FullName;

    static string Tiny => Shared.Require("fixtures", "tiny-sd");

    static string Ldm => Shared.Require("fixtures", "tiny-sd-variants", "ldm_single_file", "tiny-sd-ldm.safetensors");

    public new void Dispose()
    {
        Directory.Delete(folder, recursive: true);
        base.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public void A_single_file_holds_the_same_model_as_the_folder()
    {
        Device device = Device("cpu");
        using DiffusionModel one = ModelFolder.Load(Ldm, device, configs: Tiny), other = ModelFolder.Load(Tiny, device);
        Same(other, one);
    }

    [Fact]
    public void Every_key_is_written_under_its_published_name_and_shape_and_read_again()
    {
        Device device = Device("cpu");
        string path = Path.Combine(folder, "model.safetensors");
        using DiffusionModel model = ModelFolder.Load(Tiny, device);
        SingleFile.Save(model, path);

        using JsonDocument map = JsonDocument.Parse(File.ReadAllText(Shared.Require("fixtures", "tiny-sd-variants", "ldm_single_file", "key_map.json")));
        using SafetensorsReader written = new(path), published = new(Ldm);
        List<string> expected = [];
        foreach (string component in (ReadOnlySpan<string>)["unet", "vae", "text_encoder"])
        {
            foreach (JsonProperty entry in map.RootElement.GetProperty(component).EnumerateObject())
            {
                string key = entry.Value[0].GetString()!;
                expected.Add(key);
                Assert.True(written.Contains(key), $"{entry.Name} should be written as {key}");
                Assert.Equal(entry.Value[1].EnumerateArray().Select(d => d.GetInt32()), written.Shape(key));
                Assert.True(published.Bytes(key).SequenceEqual(written.Bytes(key)), key);
            }
        }

        Assert.Equal(expected.Order(StringComparer.Ordinal), written.Names.Order(StringComparer.Ordinal));
        using DiffusionModel again = ModelFolder.Load(path, device, configs: Tiny);
        Same(model, again);
    }

    [Fact]
    public void What_does_not_fit_is_refused_in_one_line()
    {
        Device device = Device("cpu");
        Assert.Contains("--model-config", Assert.Throws<IlgdException>(() => ModelFolder.Load(Ldm, device)).Message);
        string unet = Shared.Require("fixtures", "tiny-sd", "unet", "diffusion_pytorch_model.safetensors");
        Assert.Contains("no single-file checkpoint", Assert.Throws<IlgdException>(() => ModelFolder.Load(unet, device, configs: Tiny)).Message);

        string changed = Path.Combine(folder, "changed.safetensors");
        using (SafetensorsReader file = new(Ldm))
        {
            SafetensorsWriter writer = new();
            foreach (string name in file.Names.Where(n => n != "model.diffusion_model.out.2.bias"))
                writer.AddBytes(name, file.Shape(name), file.Entry(name).DType, file.Bytes(name).ToArray());
            writer.Add("control_model.input_hint_block.0.weight", [1], new float[1]);
            writer.Write(changed);
        }

        string message = Assert.Throws<IlgdException>(() => ModelFolder.Load(changed, device, configs: Tiny)).Message;
        Assert.Contains("1 missing: 'conv_out.bias'", message);
        Assert.Contains("1 unexpected: 'control_model.input_hint_block.0.weight'", message);

        SafetensorsWriter openClip = new();
        openClip.Add("model.diffusion_model.out.2.bias", [4], new float[4]);
        openClip.Add("cond_stage_model.model.ln_final.weight", [1], new float[1]);
        openClip.Write(changed);
        Assert.Contains("OpenCLIP's names (Stable Diffusion 2)", Refused(changed, Tiny));
    }

    [Fact]
    public void The_second_versions_text_encoder_comes_from_OpenCLIPs_names()
    {
        Device device = Device("cpu");
        (string configs, string written) = Second();
        using DiffusionModel expected = ModelFolder.Load(configs, device);
        Assert.Equal(PredictionType.V, expected.Scheduler.PredictionType);
        string published = Path.Combine(folder, "published.safetensors");
        Dictionary<string, (int[] Shape, float[] Values)> openClip = OpenClip();
        Rewrite(written, published, openClip);
        using (DiffusionModel one = ModelFolder.Load(published, device, configs: configs))
            Same(expected, one);
        using (DiffusionModel again = ModelFolder.Load(written, device, configs: configs))
            Same(expected, again);

        // What we write is what the other programs have, without what nobody looks at.
        using SafetensorsReader ours = new(written);
        string[] used = [.. openClip.Keys.Where(k => !Unused.Any(u => k.StartsWith(u, StringComparison.Ordinal)))];
        Assert.Equal(used.Order(StringComparer.Ordinal), ours.Names.Where(n => n.StartsWith("cond_stage_model.", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        foreach (string key in used)
        {
            Assert.Equal(openClip[key].Shape, ours.Shape(key));
            Assert.True(openClip[key].Values.AsSpan().SequenceEqual(ours.ReadFloat32(key)), key);
        }
    }

    [Fact]
    public void A_text_encoder_of_the_second_version_in_half_precision_is_its_rounding()
    {
        (string configs, string written) = Second();
        string half = Path.Combine(folder, "half.safetensors");
        Rewrite(written, half, OpenClip(), SafetensorsDType.F16);
        using DiffusionModel expected = ModelFolder.Load(configs, Device("cpu")), one = ModelFolder.Load(half, Device("cpu"), configs: configs);
        foreach ((Parameter x, Parameter y) in expected.TextEncoder.Weights.Parameters.Zip(one.TextEncoder.Weights.Parameters))
            Assert.Equal(x.Value.ToArray().Select(v => (float)(Half)v), y.Value.ToArray());
    }

    [Fact]
    public void A_text_encoder_of_the_second_version_that_does_not_fit_is_refused_in_one_line()
    {
        const string packed = "cond_stage_model.model.transformer.resblocks.1.attn.in_proj_weight";
        (string configs, string written) = Second();
        string changed = Path.Combine(folder, "changed.safetensors");
        Assert.Contains("of wrong shape: 'cond_stage_model.model.transformer.resblocks.1.attn.in_proj_weight[q]' is [32, 48]", Changed(t => t[packed] = ([96, 48], new float[96 * 48])));
        Assert.Contains($"unexpected: '{packed}'", Changed(t => t[packed] = ([143, 48], new float[143 * 48])));
        Assert.Contains("3 missing: 'text_model.encoder.layers.1.self_attn.k_proj.weight', 'text_model.encoder.layers.1.self_attn.v_proj.weight'", Changed(t => t.Remove(packed)));
        Assert.Contains("unexpected: 'cond_stage_model.model.transformer.resblocks.3.ln_1.weight'", Changed(t => t["cond_stage_model.model.transformer.resblocks.3.ln_1.weight"] = ([48], new float[48])));

        using (FileStream cut = File.OpenWrite(written))
            cut.SetLength(cut.Length / 2);
        Assert.Contains("not a valid safetensors file", Refused(written, configs));

        string Changed(Action<Dictionary<string, (int[] Shape, float[] Values)>> change)
        {
            Dictionary<string, (int[] Shape, float[] Values)> text = OpenClip();
            change(text);
            Rewrite(written, changed, text);
            return Refused(changed, configs);
        }
    }

    [Theory]
    [InlineData("pytorch_lora_weights.bin")]
    [InlineData("v1-5-pruned.ckpt")]
    [InlineData("embedding.pt")]
    public void A_pickle_is_refused_by_its_name(string name)
    {
        string path = Path.Combine(folder, name);
        File.WriteAllBytes(path, new byte[64]);
        Assert.Contains("a pickle", Assert.Throws<IlgdException>(() => ModelFolder.Load(path, Device("cpu"), configs: Tiny)).Message);
    }

    // Of the text encoder: what compares texts with pictures, and the layer after the last that is gone through.
    static readonly string[] Unused = ["cond_stage_model.model.text_projection", "cond_stage_model.model.logit_scale", "cond_stage_model.model.transformer.resblocks.2."];

    // The fixture of the second version, which has no autoencoder, with the first one's; and the same as one file of ours.
    (string Configs, string File) Second()
    {
        Device device = Device("cpu");
        string second = Shared.Require("fixtures", "tiny-sd2"), configs = Path.Combine(folder, "second"), file = Path.Combine(folder, "second.safetensors");
        using DiffusionModel model = new(
            ModelFolder.LoadUNet(Path.Combine(second, "unet"), device),
            ModelFolder.LoadVae(Path.Combine(Tiny, "vae"), device),
            ModelFolder.LoadTextEncoder(Path.Combine(second, "text_encoder"), device),
            Path.Combine(second, "tokenizer"),
            SchedulerConfig.Load(Path.Combine(second, "scheduler", "scheduler_config.json")),
            device);
        ModelFolder.Save(model, configs);
        SingleFile.Save(model, file);
        return (configs, file);
    }

    // The fixture's text encoder as OpenCLIP names it (open_clip: CLIP.transformer, torch: MultiheadAttention.in_proj_weight), with all that a real file has.
    static Dictionary<string, (int[] Shape, float[] Values)> OpenClip()
    {
        using SafetensorsReader file = new(Shared.Require("fixtures", "tiny-sd2", "text_encoder", "model.safetensors"));
        Dictionary<string, (int[] Shape, float[] Values)> tensors = [];
        Take("positional_embedding", "embeddings.position_embedding.weight");
        Take("token_embedding.weight", "embeddings.token_embedding.weight");
        foreach (string kind in (string[])["weight", "bias"])
        {
            Take($"ln_final.{kind}", $"final_layer_norm.{kind}");
            for (int i = 0; i < 3; i++)
            {
                string to = $"transformer.resblocks.{i}", from = $"encoder.layers.{Math.Min(i, 1)}";
                Take($"{to}.ln_1.{kind}", $"{from}.layer_norm1.{kind}");
                Take($"{to}.ln_2.{kind}", $"{from}.layer_norm2.{kind}");
                Take($"{to}.mlp.c_fc.{kind}", $"{from}.mlp.fc1.{kind}");
                Take($"{to}.mlp.c_proj.{kind}", $"{from}.mlp.fc2.{kind}");
                Take($"{to}.attn.out_proj.{kind}", $"{from}.self_attn.out_proj.{kind}");
                Take($"{to}.attn.in_proj_{kind}", [.. new[] { "q", "k", "v" }.Select(p => $"{from}.self_attn.{p}_proj.{kind}")]);
            }
        }

        tensors.Add("cond_stage_model.model.text_projection", ([48, 40], new float[48 * 40]));
        tensors.Add("cond_stage_model.model.logit_scale", ([], [4.6f]));
        return tensors;

        void Take(string name, params string[] keys)
        {
            string[] published = Array.ConvertAll(keys, key => $"text_model.{key}");
            int[] shape = file.Shape(published[0]);
            tensors.Add($"cond_stage_model.model.{name}", ([shape[0] * keys.Length, .. shape[1..]], [.. published.SelectMany(key => file.ReadFloat32(key))]));
        }
    }

    // The other networks of a file, with this text encoder.
    static void Rewrite(string from, string to, Dictionary<string, (int[] Shape, float[] Values)> text, SafetensorsDType dtype = SafetensorsDType.F32)
    {
        using SafetensorsReader file = new(from);
        SafetensorsWriter writer = new();
        foreach (string name in file.Names.Where(n => !n.StartsWith("cond_stage_model.", StringComparison.Ordinal)))
            writer.AddBytes(name, file.Shape(name), file.Entry(name).DType, file.Bytes(name).ToArray());
        foreach ((string name, (int[] shape, float[] values)) in text)
            writer.Add(name, shape, values, dtype);
        writer.Write(to);
    }

    string Refused(string file, string configs)
    {
        string message = Assert.Throws<IlgdException>(() => ModelFolder.Load(file, Device("cpu"), configs: configs)).Message;
        Assert.Contains(file, message);
        Assert.DoesNotContain('\n', message);
        return message;
    }

    static void Same(DiffusionModel expected, DiffusionModel actual)
    {
        foreach ((Weights a, Weights b) in new[] { (expected.UNet.Weights, actual.UNet.Weights), (expected.Vae.Weights, actual.Vae.Weights), (expected.TextEncoder.Weights, actual.TextEncoder.Weights) })
        {
            foreach ((Parameter x, Parameter y) in a.Parameters.Zip(b.Parameters))
                Assert.True(x.Value.ToArray().AsSpan().SequenceEqual(y.Value.ToArray()), x.Name);
        }
    }
}
