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
        Assert.Contains("OpenCLIP", Assert.Throws<IlgdException>(() => ModelFolder.Load(changed, device, configs: Tiny)).Message);
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

    static void Same(DiffusionModel expected, DiffusionModel actual)
    {
        foreach ((Weights a, Weights b) in new[] { (expected.UNet.Weights, actual.UNet.Weights), (expected.Vae.Weights, actual.Vae.Weights), (expected.TextEncoder.Weights, actual.TextEncoder.Weights) })
        {
            foreach ((Parameter x, Parameter y) in a.Parameters.Zip(b.Parameters))
                Assert.True(x.Value.ToArray().AsSpan().SequenceEqual(y.Value.ToArray()), x.Name);
        }
    }
}
