using System.Text.Json;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.Models;

/// Stable Diffusion 1.5 at full width with formula weights, against transformers and diffusers. Tolerances: sd15_* of fixtures/README.md.
public class FullSizeTests(Devices devices) : DeviceTest(devices)
{
    const double TextTolerance = 1e-5, UNetTolerance = 2e-5, VaeTolerance = 1e-5, LoraTolerance = 2e-5, LoraGradTolerance = 5e-4;

    [Fact]
    [Trait("Category", "Fixtures")]
    public void Text_encoder_matches()
    {
        using FixtureFile file = FixtureFile.Open("sd15", "goldens.safetensors");
        Arena arena = Arena("cpu");
        using ClipTextModel text = new(ClipTextConfig.Load(Shared.Require("fixtures", "sd15", "text_encoder.config.json")));
        Fill(text.Weights, arena.Device);
        foreach (string name in file.Cases.Where(c => file.Has(c, "last_hidden_state")))
        {
            Dictionary<string, Tensor> seen = [];
            text.Weights.Trace = (module, y) => seen[module] = y;
            Tape tape = new(arena, recording: false);
            int[] ids = file.Ids(name);
            int batch = file.Tensor(name, "input_ids").Shape[0];
            Tensor last = text.Forward(tape, ids, batch);
            Tol.Close(last.ToArray(), file.Floats(name, "last_hidden_state"), TextTolerance, $"{name}.last_hidden_state");
            Tol.Close(text.Pool(tape, last, ids).ToArray(), file.Floats(name, "pooled"), TextTolerance, $"{name}.pooled");
            foreach (string tensor in file.Tensors(name).Where(t => t.StartsWith("hidden_states_", StringComparison.Ordinal)))
            {
                // Only the first rows of each prompt are stored.
                Tensor hidden = seen[$"text_model.encoder.layers.{int.Parse(tensor["hidden_states_".Length..]) - 1}"];
                int rows = file.Tensor(name, tensor).Shape[1], features = hidden.Shape[2], tokens = hidden.Shape[1];
                float[] all = hidden.ToArray();
                float[] stored = [.. Enumerable.Range(0, batch).SelectMany(b => all.Skip(b * tokens * features).Take(rows * features))];
                Tol.Close(stored, file.Floats(name, tensor), TextTolerance, $"{name}.{tensor}");
            }

            arena.Reset();
        }
    }

    [Fact]
    [Trait("Category", "Slow")]
    public void Unet_matches()
    {
        if (Environment.GetEnvironmentVariable("ILGD_SLOW") != "1")
            Assert.Skip("takes minutes and 3.4 GB: set ILGD_SLOW=1 to run it, as .ci/run does");
        using FixtureFile file = FixtureFile.Open("sd15", "goldens.safetensors");
        Arena arena = Arena("cpu");
        using UNet unet = new(UNetConfig.Load(Shared.Require("fixtures", "sd15", "unet.config.json")));
        Fill(unet.Weights, arena.Device);
        string? traced = file.Cases.FirstOrDefault(c => file.Attributes(c).TryGetProperty("of_case", out _));
        foreach (string name in file.Cases.Where(c => file.Attributes(c).TryGetProperty("timestep", out _)))
        {
            JsonElement a = file.Attributes(name);
            string[] text = a.GetProperty("text").GetString()!.Split('.', 2);
            // A layer's temporaries are taken back when it is done, so what is traced is copied at once, in published order.
            Dictionary<string, float[]> seen = [];
            unet.Weights.Trace = (module, y) => seen[module] = y.Shape.Rank == 4 ? ChannelOrder.ToFirst(y.ToArray(), y.Shape[0], y.Shape[3]) : y.ToArray();
            Tape tape = new(arena, recording: false);
            Tensor y = unet.Forward(tape, file.Load(tape, name, "sample"), [a.GetProperty("timestep").GetSingle()], file.Load(tape, text[0], text[1]));
            Tol.Close(y.ToArray(), file.ChannelsLast(name, "y"), UNetTolerance, name);
            if (traced is not null && file.Attributes(traced).GetProperty("of_case").GetString() == name)
                CheckTrace(file, traced, seen);
            arena.Reset();
        }
    }

    [Fact]
    [Trait("Category", "Slow")]
    public void Lora_loss_and_gradients_of_all_192_layers_match()
    {
        if (Environment.GetEnvironmentVariable("ILGD_SLOW") != "1")
            Assert.Skip("takes minutes and 8 GB: set ILGD_SLOW=1 to run it, as .ci/run does");
        const string name = "lora_rank1_192";
        using FixtureFile file = FixtureFile.Open("sd15", "goldens.safetensors");
        Arena arena = Arena("cpu");
        using UNet unet = new(UNetConfig.StableDiffusion);
        using ClipTextModel text = new(ClipTextConfig.StableDiffusion);
        Fill(unet.Weights, arena.Device);
        Fill(text.Weights, arena.Device);
        using AdapterSet set = AdapterSet.Lora(AdapterTarget.Of(unet.Weights, text.Weights), rank: 1, alpha: 1, seed: 1, arena.Device);
        Assert.Equal(192, set.Targets.Count);
        foreach (Parameter p in set.Weights.Parameters)
            p.Value.CopyFrom(FormulaWeights.Make($"lora.{LoraName(p)}", p.Shape.Dims.ToArray(), gain: p.Name.EndsWith(".up", StringComparison.Ordinal) ? 0.05 : 1));
        set.Attach();
        set.Weights.RequireGrad(true);

        Tape tape = new(arena);
        (float[] x0, int[] shape) = file.Tensor(name, "x0");
        NoisyBatch batch = new(
            ChannelOrder.ToLast(x0, 1, shape[1]), ChannelOrder.ToLast(file.Floats(name, "noise"), 1, shape[1]), [(int)file.Longs(name, "timesteps")[0]], [1, shape[2], shape[3], shape[1]]);
        Tensor loss = DenoisingLoss.Forward(tape, unet, new NoiseSchedule(SchedulerConfig.StableDiffusion), batch, text.Forward(tape, file.Ids(name), 1));
        tape.Backward(loss);
        Tol.Close([loss.Item()], file.Floats(name, "loss"), LoraTolerance, $"{name}.loss");

        string[] names = [.. file.Attributes(name).GetProperty("params").EnumerateArray().Select(p => p.GetString()!)];
        double[] stat = file.Doubles(name, "stat");
        float[] first = file.Floats(name, "first");
        Dictionary<string, Parameter> byName = set.Weights.Parameters.ToDictionary(LoraName);
        Assert.Equal(names.Order(StringComparer.Ordinal), byName.Keys.Order(StringComparer.Ordinal));
        double squares = 0;
        for (int i = 0; i < names.Length; i++)
        {
            float[] actual = byName[names[i]].Value.Grad!.ToArray();
            double[] row = FormulaStat.Of(names[i], actual);
            squares += row[1] * row[1];
            // The tolerance is on the length of the difference, relative to the gradient's: no element, and no projection of it, differs by more.
            double allowed = LoraGradTolerance * stat[(i * 4) + 1];
            for (int j = 0; j < Math.Min(32, actual.Length); j++)
                Assert.True(Math.Abs(actual[j] - first[(i * 32) + j]) <= allowed, $"{names[i]} at {j}: {actual[j]:G9}, expected {first[(i * 32) + j]:G9}, allowed ±{allowed:E2}");
            for (int k = 0; k < 4; k++)
            {
                double scaled = k is 0 or 3 ? allowed * Math.Sqrt(actual.Length) : allowed;
                Assert.True(Math.Abs(row[k] - stat[(i * 4) + k]) <= scaled, $"{names[i]} stat {k}: {row[k]:G9}, expected {stat[(i * 4) + k]:G9}, allowed ±{scaled:E2}");
            }
        }

        Assert.Equal(file.Attributes(name).GetProperty("total_grad_norm").GetDouble(), Math.Sqrt(squares), LoraGradTolerance);
        arena.Reset();
    }

    // Ours say down and up where peft says A and B.
    static string LoraName(Parameter p) => p.Name.EndsWith(".down", StringComparison.Ordinal) ? p.Name[..^"down".Length] + "A" : p.Name[..^"up".Length] + "B";

    [Theory]
    [Trait("Category", "Fixtures")]
    [MemberData(nameof(Devices.Convolutions), MemberType = typeof(Devices))]
    public void Vae_matches(string device)
    {
        using FixtureFile file = FixtureFile.Open("sd15", "goldens.safetensors");
        Arena arena = Arena(device);
        using AutoencoderKL vae = new(VaeConfig.Load(Shared.Require("fixtures", "sd15", "vae.config.json")));
        Fill(vae.Weights, arena.Device);
        foreach (string name in file.Cases.Where(c => c.StartsWith("vae_", StringComparison.Ordinal)))
        {
            Tape tape = new(arena, recording: false);
            bool encode = file.Has(name, "moments");
            Tensor y = encode ? vae.EncodeMoments(tape, file.Load(tape, name, "image")) : vae.Decode(tape, file.Load(tape, name, "latent"));
            Tol.Close(y.ToArray(), file.ChannelsLast(name, encode ? "moments" : "image"), VaeTolerance * Devices.Rounding(device), name);
            arena.Reset();
        }
    }

    static void Fill(Weights weights, Device device)
    {
        weights.Allocate(device, "formula weights");
        foreach (Parameter p in weights.Parameters)
            p.Value.CopyFrom(p.ToHeld(FormulaWeights.Make(p.Name, p.Published.Dims.ToArray())));
    }

    // Of each module's output: 32 values and four sums. A sum over n values carries √n of their rounding.
    static void CheckTrace(FixtureFile file, string name, Dictionary<string, float[]> seen)
    {
        string[] modules = [.. file.Attributes(name).GetProperty("modules").EnumerateArray().Select(m => m.GetString()!)];
        double[] stat = file.Doubles(name, "stat");
        float[] first = file.Floats(name, "first");
        int width = first.Length / modules.Length;
        for (int i = 0; i < modules.Length; i++)
        {
            // The output norm is fused with its SiLU here; the module after it shows both.
            if (!seen.TryGetValue(modules[i], out float[]? actual))
                continue;
            double[] row = FormulaStat.Of(modules[i], actual);
            double allowed = UNetTolerance * stat[(i * 4) + 2];
            for (int j = 0; j < Math.Min(width, actual.Length); j++)
            {
                Assert.True(
                    Math.Abs(actual[j] - first[(i * width) + j]) <= allowed,
                    $"{modules[i]} at {j}: {actual[j]:G9}, expected {first[(i * width) + j]:G9}, allowed ±{allowed:E2}");
            }

            for (int k = 0; k < 4; k++)
            {
                double scaled = k == 2 ? allowed : allowed * Math.Sqrt(actual.Length);
                Assert.True(
                    Math.Abs(row[k] - stat[(i * 4) + k]) <= scaled,
                    $"{modules[i]} stat {k}: {row[k]:G9}, expected {stat[(i * 4) + k]:G9}, allowed ±{scaled:E2}");
            }
        }
    }
}
