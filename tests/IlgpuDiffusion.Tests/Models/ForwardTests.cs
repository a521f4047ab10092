using System.Text.Json;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.Models;

/// Forward passes of the small models against transformers and diffusers; tolerances are those of fixtures/README.md.
[Trait("Category", "Fixtures")]
public class ForwardTests(Devices devices) : DeviceTest(devices)
{
    const double TextTolerance = 1e-5, UNetTolerance = 1e-5, VaeTolerance = 5e-5;

    public static TheoryData<string> Models => ["tiny-sd", "tiny-sd2"];

    public static TheoryData<string, string> ModelsAndConvolutions
    {
        get
        {
            TheoryData<string, string> data = [];
            foreach (string device in new[] { "cpu", "cpu f2", "cpu f4" })
            {
                data.Add("tiny-sd", device);
                data.Add("tiny-sd2", device);
            }

            data.Add("tiny-sd", "opencl");
            return data;
        }
    }

    static FixtureFile Goldens(string model) => FixtureFile.Open($"{model}-goldens", "forward.safetensors");

    static bool IsText(FixtureFile file, string name) => file.Has(name, "last_hidden_state");

    static bool IsUNet(FixtureFile file, string name) => file.Op(name) == "unet";

    static bool IsVae(FixtureFile file, string name) => name.StartsWith("vae_", StringComparison.Ordinal);

    static bool IsPipeline(FixtureFile file, string name) => file.Has(name, "latents_init");

    [Theory]
    [MemberData(nameof(Models))]
    public void Every_case_is_of_a_kind_that_some_test_runs(string model)
    {
        using FixtureFile file = Goldens(model);
        foreach (string name in file.Cases)
            Assert.Equal((name, 1), (name, new[] { IsText(file, name), IsUNet(file, name), IsVae(file, name), IsPipeline(file, name) }.Count(k => k)));
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Text_encoder_matches(string model)
    {
        using FixtureFile file = Goldens(model);
        Arena arena = Arena("cpu");
        using ClipTextModel text = ModelFolder.LoadTextEncoder(Shared.Require("fixtures", model, "text_encoder"), arena.Device);
        foreach (string name in file.Cases.Where(c => IsText(file, c)))
        {
            Tape tape = new(arena);
            Dictionary<string, float[]> seen = Traced(text.Weights);
            int[] ids = file.Ids(name);
            int batch = file.Tensor(name, "input_ids").Shape[0];
            Tensor last = text.Forward(tape, ids, batch);
            foreach (string tensor in file.Tensors(name))
            {
                float[]? actual = tensor switch
                {
                    "input_ids" => null,
                    "last_hidden_state" => last.ToArray(),
                    "pooled" => text.Pool(tape, last, ids).ToArray(),
                    "clip_skip2" => text.Forward(tape, ids, batch, clipSkip: 1).ToArray(),
                    "hidden_states_0" => seen["text_model.embeddings"],
                    _ when tensor.StartsWith("hidden_states_", StringComparison.Ordinal) =>
                        seen[$"text_model.encoder.layers.{int.Parse(tensor["hidden_states_".Length..]) - 1}"],
                    _ => throw new InvalidOperationException($"{name}: what is {tensor}?"),
                };
                if (actual is not null)
                    Tol.Close(actual, file.Floats(name, tensor), TextTolerance, $"{model} {name}.{tensor}");
            }

            arena.Reset();
        }
    }

    [Theory]
    [MemberData(nameof(ModelsAndConvolutions))]
    public void Unet_and_each_of_its_modules_match(string model, string device)
    {
        using FixtureFile file = Goldens(model);
        Arena arena = Arena(device);
        using UNet unet = ModelFolder.LoadUNet(Shared.Require("fixtures", model, "unet"), arena.Device);
        foreach (string name in file.Cases.Where(c => IsUNet(file, c)))
        {
            Dictionary<string, float[]> seen = Traced(unet.Weights);
            Tape tape = new(arena, recording: false);
            Tensor y = unet.Forward(tape, file.Load(tape, name, "sample"), file.Floats(name, "timesteps"), file.Load(tape, name, "encoder_hidden_states"));
            foreach (string tensor in file.Tensors(name).Where(t => t.StartsWith("at.", StringComparison.Ordinal)))
            {
                string module = tensor["at.".Length..];
                float[] expected = file.ChannelsLast(name, tensor);
                if (!seen.TryGetValue(module, out float[]? actual))
                {
                    actual = seen[module + "+silu"];
                    expected = Array.ConvertAll(expected, v => v / (1 + MathF.Exp(-v)));
                }

                Tol.Close(actual, expected, UNetTolerance * Devices.Rounding(device), $"{model} {name} {module}");
            }

            Tol.Close(y.ToArray(), file.ChannelsLast(name, "y"), UNetTolerance * Devices.Rounding(device), $"{model} {name}");
            arena.Reset();
        }
    }

    [Theory]
    [MemberData(nameof(Devices.Convolutions), MemberType = typeof(Devices))]
    [InlineData("opencl")]
    public void Vae_matches_in_both_directions_and_in_its_gradient(string device)
    {
        using FixtureFile file = Goldens("tiny-sd");
        Arena arena = Arena(device);
        using AutoencoderKL vae = ModelFolder.LoadVae(Shared.Require("fixtures", "tiny-sd", "vae"), arena.Device);
        foreach (string name in file.Cases.Where(c => IsVae(file, c)))
        {
            Tape tape = new(arena);
            if (file.Has(name, "moments"))
            {
                Tensor moments = vae.EncodeMoments(tape, file.Load(tape, name, "image"));
                float[] sample = vae.Sample(tape, moments, file.ChannelsLast(name, "noise")).ToArray();
                float factor = file.Attributes(name).TryGetProperty("scaling_factor", out JsonElement f) ? f.GetSingle() : 1;
                Assert.Equal(factor, vae.ScalingFactor);
                Close(moments, "moments");
                Close(vae.Mode(tape, moments), "mean");
                Tol.Close(Array.ConvertAll(sample, v => v * factor), file.ChannelsLast(name, "sample_scaled"), VaeTolerance * Devices.Rounding(device), $"{name}.sample_scaled");
            }
            else if (file.Has(name, "dlatent"))
            {
                Tensor latent = file.Load(tape, name, "latent");
                latent.RequiresGrad = true;
                tape.Backward(vae.Decode(tape, latent), file.Load(tape, name, "dy"));
                Close(latent.Grad!, "dlatent");
            }
            else
            {
                Close(vae.Decode(tape, file.Load(tape, name, "latent")), "image");
            }

            arena.Reset();

            void Close(Tensor actual, string tensor) => Tol.Close(actual.ToArray(), file.ChannelsLast(name, tensor), VaeTolerance * Devices.Rounding(device), $"{name}.{tensor}");
        }
    }

    static Dictionary<string, float[]> Traced(Weights weights)
    {
        Dictionary<string, float[]> seen = [];
        // The first call counts: a second forward pass would not be the one that was recorded.
        weights.Trace = (name, y) => seen.TryAdd(name, y.ToArray());
        return seen;
    }
}
