using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.IO;

[Trait("Category", "Fixtures")]
public class ModelFolderTests(Devices devices) : DeviceTest(devices), IDisposable
{
    readonly string folder = Directory.CreateTempSubdirectory("ilgd").FullName;

    public new void Dispose()
    {
        Directory.Delete(folder, recursive: true);
        base.Dispose();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData("text_encoder_noprefix")]
    [InlineData("text_encoder_position_ids")]
    public void Text_encoder_variants_hold_the_same_weights(string variant)
    {
        Device device = Device("cpu");
        using ClipTextModel plain = ModelFolder.LoadTextEncoder(Tiny("text_encoder"), device), other = ModelFolder.LoadTextEncoder(Variant(variant), device);
        Same(plain.Weights, other.Weights, 0);
    }

    [Fact]
    public void Vae_with_legacy_attention_names_holds_the_same_weights()
    {
        Device device = Device("cpu");
        using AutoencoderKL plain = ModelFolder.LoadVae(Tiny("vae"), device), other = ModelFolder.LoadVae(Variant("vae_legacy_attention"), device);
        Same(plain.Weights, other.Weights, 0);
    }

    [Theory]
    [InlineData("unet_sharded", 0)]
    [InlineData("unet_bf16", 1.0 / 256)]
    public void Unet_variants_hold_the_same_weights_up_to_storage_rounding(string variant, double relative)
    {
        Device device = Device("cpu");
        using UNet plain = ModelFolder.LoadUNet(Tiny("unet"), device), other = ModelFolder.LoadUNet(Variant(variant), device);
        Same(plain.Weights, other.Weights, relative);
    }

    [Fact]
    public void Fp16_files_beside_the_others_are_read_when_asked_for()
    {
        Tiny("unet", "diffusion_pytorch_model.fp16.safetensors");   // the copies in tests/fixtures leave it out
        Device device = Device("cpu");
        using DiffusionModel plain = ModelFolder.Load(Tiny(), device), half = ModelFolder.Load(Tiny(), device, variant: "fp16");
        Same(plain.UNet.Weights, half.UNet.Weights, 1.0 / 2048);
        Same(plain.Vae.Weights, half.Vae.Weights, 1.0 / 2048);
        Same(plain.TextEncoder.Weights, half.TextEncoder.Weights, 1.0 / 2048);
        Assert.NotEqual(plain.UNet.Weights.Parameters[0].Value.ToArray(), half.UNet.Weights.Parameters[0].Value.ToArray());
    }

    [Theory]
    [InlineData(SafetensorsDType.F32, 0)]
    [InlineData(SafetensorsDType.F16, 1.0 / 2048)]
    public void A_saved_folder_loads_again(SafetensorsDType dtype, double relative)
    {
        Device device = Device("cpu");
        using DiffusionModel model = ModelFolder.Load(Tiny(), device);
        ModelFolder.Save(model, folder, dtype);
        using DiffusionModel again = ModelFolder.Load(folder, device);
        Same(model.UNet.Weights, again.UNet.Weights, relative);
        Same(model.Vae.Weights, again.Vae.Weights, relative);
        Same(model.TextEncoder.Weights, again.TextEncoder.Weights, relative);
        Assert.Equivalent(model.UNet.Config, again.UNet.Config, strict: true);
        Assert.Equivalent(model.Vae.Config, again.Vae.Config, strict: true);
        Assert.Equivalent(model.TextEncoder.Config, again.TextEncoder.Config, strict: true);
        Assert.Equivalent(model.Scheduler, again.Scheduler, strict: true);
        Assert.Equal(model.Tokenizer.Encode("a photo"), again.Tokenizer.Encode("a photo"));
    }

    [Fact]
    public void A_folder_without_a_vae_loads_and_says_so_when_one_is_needed()
    {
        using DiffusionModel model = ModelFolder.Load(Shared.Require("fixtures", "tiny-sd2"), Device("cpu"));
        Assert.False(model.HasVae);
        Assert.Contains("no vae", Assert.Throws<IlgdException>(() => model.Vae).Message);
    }

    [Fact]
    public void Missing_unexpected_and_wrong_shaped_keys_are_named_together()
    {
        Device device = Device("cpu");
        CopyTiny("text_encoder");
        string config = Path.Combine(folder, "text_encoder", "config.json");
        using (SafetensorsReader file = new(Path.Combine(Tiny("text_encoder"), "model.safetensors")))
        {
            SafetensorsWriter writer = new();
            foreach (string name in file.Names.Where(n => !n.EndsWith("fc1.bias", StringComparison.Ordinal)))
            {
                bool transposed = name.EndsWith("layers.0.mlp.fc1.weight", StringComparison.Ordinal);
                writer.Add(name, transposed ? [.. file.Shape(name).Reverse()] : file.Shape(name), file.ReadFloat32(name));
            }

            writer.Add("surplus", [1], new float[1]);
            writer.Write(Path.Combine(folder, "text_encoder", "model.safetensors"));
        }

        string message = Fails(() => ModelFolder.LoadTextEncoder(Path.Combine(folder, "text_encoder"), device));
        Assert.Contains("3 missing: 'text_model.encoder.layers.0.mlp.fc1.bias'", message);
        Assert.Contains("1 unexpected: 'surplus'", message);
        Assert.Contains("1 of wrong shape: 'text_model.encoder.layers.0.mlp.fc1.weight' is [40, 96] and should be [96, 40]", message);
        Assert.DoesNotContain('\n', message);
        Assert.True(File.Exists(config));
    }

    [Fact]
    public void What_is_no_model_folder_is_refused_in_one_line()
    {
        Device device = Device("cpu");
        Assert.Contains("no such folder", Fails(() => ModelFolder.Load(Path.Combine(folder, "nothing"), device)));
        Assert.Contains("no model_index.json", Fails(() => ModelFolder.Load(folder, device)));
        Write("model_index.json", "{ \"unet\": [");
        Assert.Contains("not a valid model index", Fails(() => ModelFolder.Load(folder, device)));
        Write("model_index.json", "[]");
        Assert.Contains("not a valid model index", Fails(() => ModelFolder.Load(folder, device)));
        Write("model_index.json", """{ "unet": ["diffusers", "SD3Transformer2DModel"] }""");
        Assert.Contains("'unet' is a SD3Transformer2DModel", Fails(() => ModelFolder.Load(folder, device)));
        Write("model_index.json", """{ "text_encoder_2": ["transformers", "CLIPTextModel"] }""");
        Assert.Contains("'text_encoder_2'", Fails(() => ModelFolder.Load(folder, device)));
        Write("model_index.json", """{ "unet": ["diffusers", "UNet2DConditionModel"] }""");
        Assert.Contains("no 'text_encoder'", Fails(() => ModelFolder.Load(folder, device)));
    }

    [Fact]
    public void A_pickle_is_refused_by_name()
    {
        CopyTiny("unet");
        File.Delete(Path.Combine(folder, "unet", "diffusion_pytorch_model.safetensors"));
        Write("unet/diffusion_pytorch_model.bin", "PK");
        Assert.Contains("diffusion_pytorch_model.bin: a pickle", Fails(() => ModelFolder.LoadUNet(Path.Combine(folder, "unet"), Device("cpu"))));
    }

    [Fact]
    public void A_variant_that_is_there_is_offered_when_the_plain_file_is_not()
    {
        CopyTiny("unet");
        File.Move(Path.Combine(folder, "unet", "diffusion_pytorch_model.safetensors"), Path.Combine(folder, "unet", "diffusion_pytorch_model.fp16.safetensors"));
        Assert.Contains("ask for variant fp16", Fails(() => ModelFolder.LoadUNet(Path.Combine(folder, "unet"), Device("cpu"))));
    }

    [Theory]
    [InlineData("\"act_fn\": \"silu\"", "\"act_fn\": \"mish\"", "'act_fn' is \"mish\"")]
    [InlineData("\"class_embed_type\": null", "\"class_embed_type\": \"timestep\"", "'class_embed_type' with value \"timestep\"")]
    [InlineData("\"norm_num_groups\": 8", "\"norm_num_groups\": 7", "'block_out_channels' is 16; expected a multiple of norm_num_groups 7")]
    [InlineData("\"layers_per_block\": 2", "\"layers_per_block\": \"two\"", "'layers_per_block'")]
    [InlineData("\"CrossAttnUpBlock2D\"", "\"AttnUpBlock2D\"", "'up_block_types' is AttnUpBlock2D")]
    [InlineData("\"in_channels\": 4", "\"in_channels\": 4000000", "'in_channels' is 4000000")]
    [InlineData("\"in_channels\": 4,", "\"in_channels\": 4", "not a valid config")]
    public void An_unsupported_config_value_is_named(string from, string to, string expected)
    {
        CopyTiny("unet");
        string path = Path.Combine(folder, "unet", "config.json");
        string text = File.ReadAllText(path);
        Assert.Contains(from, text);
        Write("unet/config.json", text.Replace(from, to));
        string message = Fails(() => ModelFolder.LoadUNet(Path.Combine(folder, "unet"), Device("cpu")));
        Assert.Contains(expected, message);
        Assert.Contains(path, message);
    }

    static string Fails(Action load) => Assert.Throws<IlgdException>(load).Message;

    static string Tiny(params string[] part) => Shared.Require(["fixtures", "tiny-sd", .. part]);

    static string Variant(string name) => Shared.Require("fixtures", "tiny-sd-variants", name);

    void Write(string file, string text) => File.WriteAllText(Path.Combine(folder, file), text);

    void CopyTiny(string part)
    {
        Directory.CreateDirectory(Path.Combine(folder, part));
        foreach (string file in Directory.GetFiles(Tiny(part)).Where(f => !f.Contains("fp16")))
            File.WriteAllBytes(Path.Combine(folder, part, Path.GetFileName(file)), File.ReadAllBytes(file));
    }

    // relative: half a unit in the last place of the storage type. Values below its normal range are rounded to multiples of 2^-24 (F16).
    static void Same(Weights expected, Weights actual, double relative)
    {
        foreach ((Parameter a, Parameter b) in expected.Parameters.Zip(actual.Parameters))
        {
            Assert.Equal(a.Name, b.Name);
            float[] x = a.Value.ToArray(), y = b.Value.ToArray();
            for (int i = 0; i < x.Length; i++)
            {
                if (Math.Abs(x[i] - y[i]) > (relative * Math.Abs(x[i])) + (relative > 0 ? 1e-7 : 0))
                    Assert.Fail($"{a.Name} at {i}: {x[i]:G9} and {y[i]:G9}");
            }
        }
    }
}
