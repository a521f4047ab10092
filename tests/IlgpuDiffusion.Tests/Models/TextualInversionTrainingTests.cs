using System.Text.Json;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Fixtures;
using IlgpuDiffusion.Training;

namespace IlgpuDiffusion.Tests.Models;

/// Textual inversion (Gal et al. 2022) on the small model against diffusers' script: five steps of AdamW over the token table, every row but the new words' put back after each.
[Trait("Category", "Fixtures")]
public class TextualInversionTrainingTests(Devices devices) : DeviceTest(devices)
{
    const string Table = "text_model.embeddings.token_embedding.weight";

    // fixtures/README.md: losses and gradients as tiny_lora_train; Adam divides by √v, which moves rows by up to 5e-3 of their largest number.
    const double Tolerance = 5e-4, TrainedTolerance = 5e-3;

    [Fact]
    public void Losses_gradients_and_learned_rows_match()
    {
        Arena arena = Arena("cpu");
        using FixtureFile file = FixtureFile.Open("tiny-sd-goldens", "textual_inversion.safetensors");
        using DiffusionModel model = ModelFolder.Load(Shared.Require("fixtures", "tiny-sd"), arena.Device);
        Assert.NotEmpty(file.Cases);
        foreach (string name in file.Cases)
            Check(file, name, model, arena);
    }

    static void Check(FixtureFile file, string name, DiffusionModel model, Arena arena)
    {
        JsonElement a = file.Attributes(name);
        int steps = a.GetProperty("steps").GetInt32(), vectors = a.GetProperty("placeholder_ids").GetArrayLength();
        (float[] init, int[] shape) = file.Tensor(name, "init");
        using ClipTextModel text = WithRows(model.TextEncoder, init, vectors, arena.Device);
        using AdamW optimizer = new(text.Weights, new AdamWSettings
        {
            LearningRate = a.GetProperty("lr").GetDouble(),
            WeightDecay = a.GetProperty("weight_decay").GetDouble(),
        });
        float[] start = text.Weights.Values.ToArray();
        Parameter table = text.Weights[Table];
        int own = table.Offset + (int)table.Shape.Count - init.Length;
        NoiseSchedule schedule = new(model.Scheduler);
        int each = init.Length, latent = file.Floats(name, "x0").Length / steps;
        int[] size = file.Tensor(name, "x0").Shape[^4..];
        for (int step = 0; step < steps; step++)
        {
            text.Weights.ZeroGrad();
            Tape tape = new(arena);
            float[] Last(string tensor) => ChannelOrder.ToLast(file.Floats(name, tensor).AsSpan(step * latent, latent), 1, size[1]);
            NoisyBatch batch = new(Last("x0"), Last("noise"), [(int)file.Longs(name, "timesteps")[step]], [1, size[2], size[3], size[1]]);
            Tensor loss = DenoisingLoss.Forward(tape, model.UNet, schedule, batch, text.Forward(tape, file.Ids(name), 1));
            tape.Backward(loss);
            Tol.Close([loss.Item()], [file.Floats(name, "losses")[step]], Tolerance, $"{name}.losses[{step}]");
            Tol.Close(table.Value.Grad!.ToArray().AsSpan()[^each..], file.Floats(name, "grads").AsSpan(step * each, each), Tolerance, $"{name}.grads[{step}]");
            optimizer.Step();
            arena.Reset();

            float[] now = text.Weights.Values.ToArray(), restored = [.. start];
            now.AsSpan(own, each).CopyTo(restored.AsSpan(own));
            text.Weights.Values.CopyFrom(restored);
            Tol.Close(now.AsSpan(own, each), file.Floats(name, "rows").AsSpan(step * each, each), TrainedTolerance, $"{name}.rows[{step}]");
        }
    }

    // The text encoder with more rows in its token table.
    static ClipTextModel WithRows(ClipTextModel from, float[] rows, int count, Device device)
    {
        ClipTextModel text = new(from.Config with { VocabSize = from.Config.VocabSize + count });
        text.Weights.Allocate(device, "text encoder with new words");
        foreach (Parameter p in text.Weights.Parameters)
        {
            float[] values = from.Weights[p.Name].Value.ToArray();
            p.Value.CopyFrom(p.Name == Table ? [.. values, .. rows] : values);
        }

        return text;
    }
}
