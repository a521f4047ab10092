using System.Text.Json;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.Adapters;

/// One LoRA in every layout with diffusers' result for each. Kohya's are used; the others are refused by name.
[Trait("Category", "Fixtures")]
public sealed class LoraFixtureTests(Devices devices) : DeviceTest(devices)
{
    // Full forward passes through folded weights; storage as float16 costs what verdicts.json measured for it.
    const double Tolerance = 1e-5, HalfTolerance = 1e-3;

    [Fact]
    public void Kohya_files_move_the_model_as_they_move_diffusers_and_other_layouts_are_named()
    {
        string folder = Shared.Require("fixtures", "lora");
        using DiffusionModel model = ModelFolder.Load(Shared.Require("fixtures", "tiny-sd"), Device("cpu"));
        using FixtureFile goldens = FixtureFile.Open("lora", "goldens.safetensors");
        int used = 0;
        foreach (string path in Directory.GetFiles(folder, "*.safetensors").Where(p => Path.GetFileName(p) != "goldens.safetensors").Order(StringComparer.Ordinal))
        {
            string name = Path.GetFileNameWithoutExtension(path);
            if (!name.StartsWith("kohya", StringComparison.Ordinal))
            {
                Assert.Contains("dialect of", Assert.Throws<IlgdException>(() => AdapterFile.Load(path, model)).Message);
                continue;
            }

            used++;
            Compare(model, goldens, $"loaded_{name}", path, 1, name.Contains("fp16") ? HalfTolerance : Tolerance);
        }

        Assert.True(used > 0, $"{folder}: no file of kohya's");
        Compare(model, goldens, "loaded_kohya_set_adapters_07", Path.Combine(folder, "kohya.safetensors"), 0.7f, Tolerance);
    }

    [Fact]
    public void What_is_to_be_refused_is_refused()
    {
        using DiffusionModel model = ModelFolder.Load(Shared.Require("fixtures", "tiny-sd"), Device("cpu"));
        using JsonDocument verdicts = JsonDocument.Parse(File.ReadAllText(Shared.Require("fixtures", "lora", "verdicts.json")));
        foreach (JsonProperty refused in verdicts.RootElement.GetProperty("refuse").EnumerateObject())
        {
            string path = Shared.Require("fixtures", "lora", "refuse", $"{refused.Name}.safetensors");
            Assert.Contains(path, Assert.Throws<IlgdException>(() => AdapterFile.Load(path, model)).Message);
        }
    }

    void Compare(DiffusionModel model, FixtureFile goldens, string name, string path, float weight, double tolerance)
    {
        Arena arena = Arena("cpu");
        using Fold fold = new(model);
        fold.Add(AdapterFile.Load(path, model), weight);
        Tape tape = new(arena, recording: false);
        int[] ids = Array.ConvertAll(goldens.Longs("inputs", "input_ids"), id => (int)id);
        (float[] sample, int[] shape) = goldens.Tensor("inputs", "sample");
        Tensor hidden = model.TextEncoder.Forward(tape, ids, shape[0]);
        Tol.Close(hidden.ToArray(), goldens.Floats(name, "hidden"), tolerance, $"{name}.hidden");
        Tensor y = model.UNet.Forward(
            tape,
            tape.From(ChannelOrder.ToLast(sample, shape[0], shape[1]), [shape[0], shape[2], shape[3], shape[1]]),
            Array.ConvertAll(goldens.Longs("inputs", "timesteps"), t => (float)t),
            hidden);
        Tol.Close(ChannelOrder.ToFirst(y.ToArray(), shape[0], shape[1]), goldens.Floats(name, "y"), tolerance, $"{name}.y");
        arena.Reset();
    }
}
