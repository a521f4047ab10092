using System.Text.Json;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Autograd;
using IlgpuDiffusion.Tests.Fixtures;
using IlgpuDiffusion.Training;

namespace IlgpuDiffusion.Tests.Models;

/// A DreamBooth step on the small model against torch: loss and the gradients of all parameters of UNet and text encoder.
[Trait("Category", "Fixtures")]
public class DreamBoothGradientTests(Devices devices) : DeviceTest(devices)
{
    // fixtures/README.md: tiny_dreambooth; weights after steps of Adam, which divides by √v, are compared at 5e-3.
    const double Tolerance = 5e-5, TrainedTolerance = 5e-3;

    [Theory]
    [MemberData(nameof(Devices.Convolutions), MemberType = typeof(Devices))]
    public void Loss_and_gradients_match(string device)
    {
        double tolerance = Tolerance * Devices.Rounding(device);
        using FixtureFile file = FixtureFile.Open("tiny-sd-goldens", "dreambooth_grads.safetensors");
        using DiffusionModel model = LoadTrainable(device);
        foreach (string name in file.Cases.Where(c => file.Has(c, "loss")))
        {
            float loss = Step(model, file, name, arena: Arena(device));
            Tol.Close([loss], file.Floats(name, "loss"), tolerance, $"{name}.loss");
            double norm = GradNorm.Of(Arena(device), model.UNet.Weights, model.TextEncoder.Weights);
            double expected = file.Attributes(name).GetProperty("total_grad_norm").GetDouble();
            Assert.True(Math.Abs(norm - expected) <= tolerance * expected, $"{name}: gradient norm {norm}, expected {expected}");
            CheckRows(file, name, tolerance, p => model.Parameter(p).ToPublished(model.Parameter(p).Value.Grad!.ToArray()));
        }
    }

    [Fact]
    public void Weights_after_clipped_steps_of_adamw_match()
    {
        using FixtureFile file = FixtureFile.Open("tiny-sd-goldens", "dreambooth_grads.safetensors");
        foreach (string name in file.Cases.Where(c => file.Has(c, "losses")))
        {
            using DiffusionModel model = LoadTrainable();
            JsonElement a = file.Attributes(name);
            AdamWSettings settings = new()
            {
                LearningRate = a.GetProperty("lr").GetDouble(),
                Beta1 = a.GetProperty("betas")[0].GetDouble(),
                Beta2 = a.GetProperty("betas")[1].GetDouble(),
                Epsilon = a.GetProperty("eps").GetDouble(),
                WeightDecay = a.GetProperty("weight_decay").GetDouble(),
            };
            using AdamW unet = new(model.UNet.Weights, settings), text = new(model.TextEncoder.Weights, settings);
            float[] losses = file.Floats(name, "losses"), norms = file.Floats(name, "grad_norms");
            for (int i = 0; i < losses.Length; i++)
            {
                float loss = Step(model, file, name, i);
                double norm = GradNorm.Of(Arena("cpu"), model.UNet.Weights, model.TextEncoder.Weights);
                Tol.Close([loss], [losses[i]], Tolerance, $"{name}.losses[{i}]");
                Tol.Close([(float)norm], [norms[i]], TrainedTolerance, $"{name}.grad_norms[{i}]");
                float clip = GradNorm.Coefficient(norm, a.GetProperty("max_grad_norm").GetDouble());
                unet.Step(gradScale: clip);
                text.Step(gradScale: clip);
            }

            CheckRows(file, name, TrainedTolerance, p => model.Parameter(p).ToPublished(model.Parameter(p).Value.ToArray()));
        }
    }

    [Fact]
    public void Checkpointing_gives_the_same_gradients_to_the_bit()
    {
        using FixtureFile file = FixtureFile.Open("tiny-sd-goldens", "dreambooth_grads.safetensors");
        using DiffusionModel model = LoadTrainable();
        string name = file.Cases.First(c => file.Has(c, "loss"));
        float loss = Step(model, file, name);
        float[] unet = model.UNet.Weights.Grads.ToArray(), text = model.TextEncoder.Weights.Grads.ToArray();
        long plainPeak = Arena("cpu").PeakBytes;

        using Arena main = new(model.Device, 1 << 20);
        Assert.Equal(loss, Step(model, file, name, arena: main, checkpoint: true));
        Assert.Equal(unet, model.UNet.Weights.Grads.ToArray());
        Assert.Equal(text, model.TextEncoder.Weights.Grads.ToArray());
        long peak = main.PeakBytes + main.Layers!.PeakBytes;
        Assert.True(peak < 0.8 * plainPeak, $"checkpointed {peak} bytes, plain {plainPeak}");
    }

    [Fact]
    public void Differences_along_the_gradient_of_a_parameter_give_its_norm()
    {
        Arena arena = Arena("cpu");
        using DiffusionModel model = LoadTrainable();
        int[] ids = model.Tokenizer.EncodePadded("a photo of sks person");
        UNetConfig config = model.UNet.Config;
        Shape shape = [1, 8, 8, config.InChannels];
        float[] sample = GradCheck.Values((int)shape.Count, 1), weights = GradCheck.Values((int)shape.Count, 2);

        Tensor Predict(Tape tape) => model.UNet.Forward(tape, tape.From(sample, shape), [421], model.TextEncoder.Forward(tape, ids, 1));

        double Loss()
        {
            float[] y = Predict(new Tape(arena, recording: false)).ToArray();
            arena.Reset();
            return y.Zip(weights, (a, b) => (double)a * b).Sum();
        }

        Tape recorded = new(arena);
        Tensor output = Predict(recorded);
        recorded.Backward(output, recorded.From(weights, output.Shape));
        arena.Reset();

        Parameter[] all = [.. model.UNet.Weights.Parameters, .. model.TextEncoder.Weights.Parameters];
        int compared = 0;
        for (int i = 0; i < all.Length; i += 23)
        {
            float[] start = all[i].Value.ToArray(), gradient = all[i].Value.Grad!.ToArray();
            double norm = Math.Sqrt(gradient.Sum(g => (double)g * g));
            if (norm < 1e-2)
                continue;
            compared++;
            // A change of a few hundredths in the output: far above its rounding, where curvature does not show yet.
            double step = Math.Min(0.02, 0.05 / norm);
            double difference = (At(step) - At(-step)) / (2 * step);
            all[i].Value.CopyFrom(start);
            Assert.True(Math.Abs(difference - norm) <= 1e-2 * norm, $"{all[i].Name}: tape {norm}, difference {difference}");

            double At(double h)
            {
                all[i].Value.CopyFrom([.. start.Zip(gradient, (w, g) => (float)(w + (h * g / norm)))]);
                return Loss();
            }
        }

        Assert.True(compared >= 15, $"only {compared} parameters had a gradient to compare");
    }

    DiffusionModel LoadTrainable(string device = "cpu")
    {
        Arena arena = Arena(device);
        DiffusionModel model = ModelFolder.Load(Shared.Require("fixtures", "tiny-sd"), arena.Device);
        model.UNet.Weights.RequireGrad(true);
        model.TextEncoder.Weights.RequireGrad(true);
        return model;
    }

    // One forward and backward pass; `step` picks from the leading axis of a case with several. Gradients are left in the model.
    float Step(DiffusionModel model, FixtureFile file, string name, int? step = null, Arena? arena = null, bool checkpoint = false)
    {
        model.UNet.Weights.ZeroGrad();
        model.TextEncoder.Weights.ZeroGrad();
        int steps = step is null ? 1 : file.Tensor(name, "x0").Shape[0], at = step ?? 0;
        int[] shape = file.Tensor(name, "x0").Shape[^4..];
        float[] x0 = Part(file.Floats(name, "x0")), noise = Part(file.Floats(name, "noise")), noisy = new float[x0.Length];
        long[] timesteps = Part(file.Longs(name, "timesteps"));
        NoiseSchedule schedule = new(model.Scheduler);
        int batch = timesteps.Length, each = x0.Length / batch;
        for (int b = 0; b < batch; b++)
            schedule.AddNoise((int)timesteps[b], x0.AsSpan(b * each, each), noise.AsSpan(b * each, each), noisy.AsSpan(b * each, each));

        // Prior preservation: mean over the instance half + λ · mean over the class half.
        JsonElement a = file.Attributes(name);
        float[] perSample = [.. Enumerable.Repeat(1f, batch)];
        if (a.TryGetProperty("prior_loss_weight", out JsonElement prior) && prior.ValueKind == JsonValueKind.Number)
        {
            for (int b = 0; b < batch; b++)
                perSample[b] = 2 * (b < batch / 2 ? 1 : prior.GetSingle());
        }

        arena ??= Arena("cpu");
        Tape tape = new(arena, checkpoint: checkpoint);
        Shape last = [shape[0], shape[2], shape[3], shape[1]];
        Tensor context = model.TextEncoder.Forward(tape, file.Ids(name), batch);
        Tensor y = model.UNet.Forward(
            tape, tape.From(ChannelOrder.ToLast(noisy, batch, shape[1]), last), Array.ConvertAll(timesteps, t => (float)t), context);
        Tensor loss = Ops.Mse.Forward(tape, y, tape.From(ChannelOrder.ToLast(noise, batch, shape[1]), last), sampleWeights: perSample);
        tape.Backward(loss);
        float value = loss.Item();
        arena.Reset();
        return value;

        T[] Part<T>(T[] all) => all[(at * all.Length / steps)..((at + 1) * all.Length / steps)];
    }

    // `first`: 32 values; `stat`: sum, l2, absmax, projection. A sum over n values carries √n of their rounding.
    static void CheckRows(FixtureFile file, string name, double t, Func<string, float[]> values)
    {
        string[] names = [.. file.Attributes(name).GetProperty("params").EnumerateArray().Select(p => p.GetString()!)];
        double[] stat = file.Doubles(name, "stat");
        float[] first = file.Floats(name, "first");
        int width = first.Length / names.Length;
        for (int i = 0; i < names.Length; i++)
        {
            float[] actual = values(names[i]);
            double[] row = FormulaStat.Of(names[i], actual);
            double allowed = t * Math.Max(stat[(i * 4) + 2], 1e-3);
            for (int j = 0; j < Math.Min(width, actual.Length); j++)
            {
                Assert.True(
                    Math.Abs(actual[j] - first[(i * width) + j]) <= allowed,
                    $"{name} {names[i]} at {j}: {actual[j]:G9}, expected {first[(i * width) + j]:G9}, allowed ±{allowed:E2}");
            }

            for (int k = 0; k < 4; k++)
            {
                double scaled = k == 2 ? allowed : allowed * Math.Sqrt(actual.Length);
                Assert.True(
                    Math.Abs(row[k] - stat[(i * 4) + k]) <= scaled,
                    $"{name} {names[i]} stat {k}: {row[k]:G9}, expected {stat[(i * 4) + k]:G9}, allowed ±{scaled:E2}");
            }
        }
    }
}

static class TrainedParameters
{
    /// By the fixtures' names: `unet.` or `text_encoder.` before the published key.
    public static Parameter Parameter(this DiffusionModel model, string name)
    {
        int dot = name.IndexOf('.', StringComparison.Ordinal);
        return name[..dot] == "unet" ? model.UNet.Weights[name[(dot + 1)..]] : model.TextEncoder.Weights[name[(dot + 1)..]];
    }
}
