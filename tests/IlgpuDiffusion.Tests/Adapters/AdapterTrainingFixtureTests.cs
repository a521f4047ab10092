using System.Text.Json;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tests.Fixtures;
using IlgpuDiffusion.Training;

namespace IlgpuDiffusion.Tests.Adapters;

/// LoRA and LiDB on the small model against peft and torch: gradients of one step, and ten steps of training.
[Trait("Category", "Fixtures")]
public class AdapterTrainingFixtureTests(Devices devices) : DeviceTest(devices)
{
    // fixtures/README.md: tiny_lora_grad, tiny_lora_train, tiny_lidb_train; weights after steps of Adam, which divides by √v, at 5e-3.
    const double GradTolerance = 1e-4, LoraTrainTolerance = 5e-4, LidbTrainTolerance = 1e-4, FinalTolerance = 5e-3;

    [Fact]
    public void Lora_loss_and_gradients_match()
    {
        using FixtureFile file = FixtureFile.Open("tiny-sd-goldens", "lora_grads.safetensors");
        using DiffusionModel model = Load();
        foreach (string name in file.Cases)
        {
            JsonElement a = file.Attributes(name);
            using AdapterSet set = AdapterSet.Lora(Targets(model, file, name, "param", "A"), a.GetProperty("rank").GetInt32(), a.GetProperty("alpha").GetSingle(), 1, Device("cpu"));
            set.Attach();
            foreach (Parameter p in set.Weights.Parameters)
                p.Value.CopyFrom(file.Floats(name, $"param.{FileName(p)}"));
            set.Weights.RequireGrad(true);
            Tape tape = new(Arena("cpu"));
            IlgpuDiffusion.Tensors.Tensor loss = Loss(tape, model, file, name, 0);
            tape.Backward(loss);
            Tol.Close([loss.Item()], file.Floats(name, "loss"), GradTolerance, $"{name}.loss");
            foreach (Parameter p in set.Weights.Parameters)
                Tol.Close(p.Value.Grad!.ToArray(), file.Floats(name, $"grad.{FileName(p)}"), GradTolerance, $"{name}.grad.{FileName(p)}");
            Arena("cpu").Reset();
        }
    }

    [Theory]
    [InlineData("cpu")]
    [InlineData("opencl")]
    public void Lora_training_matches(string device)
    {
        using FixtureFile file = FixtureFile.Open("tiny-sd-goldens", "lora_train.safetensors");
        foreach (string name in file.Cases)
        {
            using DiffusionModel model = Load(device);
            JsonElement a = file.Attributes(name);
            using AdapterSet set = AdapterSet.Lora(Targets(model, file, name, "init", "A"), a.GetProperty("rank").GetInt32(), a.GetProperty("alpha").GetSingle(), 1, Device(device));
            set.Attach();
            foreach (Lora lora in set.Adapters.Cast<Lora>())
                lora.Down.Value.CopyFrom(file.Floats(name, $"init.{FileName(lora.Down)}"));
            double[] norms = Train(model, set, file, name, a, LoraTrainTolerance);
            float[] expected = file.Floats(name, "grad_norms");
            for (int i = 0; i < norms.Length; i++)
                Tol.Close([(float)norms[i]], [expected[i]], FinalTolerance, $"{name}.grad_norms[{i}]");
        }
    }

    [Fact]
    public void Lidb_training_matches()
    {
        using FixtureFile file = FixtureFile.Open("tiny-sd-goldens", "lidb_train.safetensors");
        foreach (string name in file.Cases)
        {
            using DiffusionModel model = Load();
            JsonElement a = file.Attributes(name);
            string[] layers = [.. a.GetProperty("layers").EnumerateArray().Select(l => l.GetString()!)];
            using AdapterSet set = AdapterSet.Lidb(
                [.. layers.Select(l => Target(model, l))], a.GetProperty("a").GetInt32(), a.GetProperty("b").GetInt32(), a.GetProperty("rank").GetInt32(), new RandomOrthonormal(1), 1, Device("cpu"));
            set.Attach();
            foreach ((AdapterTarget target, Lidb lidb) in set.Targets.Zip(set.Adapters.Cast<Lidb>()))
            {
                lidb.AAux.Value.CopyFrom(file.Floats(name, $"{target.Path}.A_aux"));
                lidb.BAux.Value.CopyFrom(file.Floats(name, $"{target.Path}.B_aux"));
                lidb.ATrain.Value.CopyFrom(file.Floats(name, $"{target.Path}.A_train"));
            }

            Train(model, set, file, name, a, LidbTrainTolerance, step =>
            {
                // The gradients of the second step are recorded: the first where both factors get one.
                if (step != 1)
                    return;
                foreach (Parameter p in set.Weights.Parameters)
                    Tol.Close(p.Value.Grad!.ToArray(), file.Floats(name, $"grad_step2.{FileName(p)}"), FinalTolerance, $"{name}.grad_step2.{FileName(p)}");
            });
        }
    }

    // Rows after each step; weight decay acts on them too. Adam divides by √v as in the others, at the same learning rate.
    [Fact]
    public void Textual_inversion_matches_and_changes_nothing_else()
    {
        using FixtureFile file = FixtureFile.Open("tiny-sd-goldens", "textual_inversion.safetensors");
        foreach (string name in file.Cases)
        {
            using DiffusionModel model = Load();
            string before = LidbFile.BaseHash(model);
            JsonElement a = file.Attributes(name);
            int[] ids = [.. a.GetProperty("placeholder_ids").EnumerateArray().Select(i => i.GetInt32())];
            using TokenRows words = new(model, ids, file.Floats(name, "init"));
            words.Attach();
            using AdamW optimizer = new(words.Weights, Settings(a));
            TrainLoop loop = new(Arena("cpu"), [new Trainee("token_rows", optimizer)], _ => 1, double.PositiveInfinity);
            float[] losses = file.Floats(name, "losses"), rows = file.Floats(name, "rows"), grads = file.Floats(name, "grads");
            for (int step = 0; step < losses.Length; step++)
            {
                TrainStep done = loop.Step(step, tape => Loss(tape, model, file, name, step));
                Tol.Close([(float)done.Loss], [losses[step]], LoraTrainTolerance, $"{name}.losses[{step}]");
                Range one = (step * words.Rows.Length)..((step + 1) * words.Rows.Length);
                Tol.Close(words.Weights.Parameters[0].Value.Grad!.ToArray(), grads[one], LoraTrainTolerance, $"{name}.grads[{step}]");
                Tol.Close(words.Rows, rows[one], FinalTolerance, $"{name}.rows[{step}]");
            }

            Assert.Equal(before, LidbFile.BaseHash(model));
        }
    }

    static AdamWSettings Settings(JsonElement a) => new()
    {
        LearningRate = a.GetProperty("lr").GetDouble(),
        Beta1 = a.GetProperty("betas")[0].GetDouble(),
        Beta2 = a.GetProperty("betas")[1].GetDouble(),
        Epsilon = a.GetProperty("eps").GetDouble(),
        WeightDecay = a.GetProperty("weight_decay").GetDouble(),
    };

    // Runs the recorded steps; compares each loss and the weights at the end; returns the gradient norms.
    double[] Train(DiffusionModel model, AdapterSet set, FixtureFile file, string name, JsonElement a, double lossTolerance, Action<int>? afterStep = null)
    {
        using AdamW optimizer = new(set.Weights, Settings(a));
        double maxNorm = a.TryGetProperty("max_grad_norm", out JsonElement max) ? max.GetDouble() : double.PositiveInfinity;
        TrainLoop loop = new(Arena(model.Device.Name), [new Trainee("adapter", optimizer)], _ => 1, maxNorm);
        float[] losses = file.Floats(name, "losses");
        double[] norms = new double[losses.Length];
        for (int step = 0; step < losses.Length; step++)
        {
            TrainStep done = loop.Step(step, tape => Loss(tape, model, file, name, step));
            Tol.Close([(float)done.Loss], [losses[step]], lossTolerance, $"{name}.losses[{step}]");
            norms[step] = done.GradNorm;
            afterStep?.Invoke(step);
        }

        foreach (Parameter p in set.Weights.Parameters)
            Tol.Close(p.Value.ToArray(), file.Floats(name, $"final.{FileName(p)}"), FinalTolerance, $"{name}.final.{FileName(p)}");
        return norms;
    }

    static IlgpuDiffusion.Tensors.Tensor Loss(Tape tape, DiffusionModel model, FixtureFile file, string name, int step)
    {
        (float[] x0, int[] shape) = file.Tensor(name, "x0");
        float[] noise = file.Floats(name, "noise");
        int[] ids = Array.ConvertAll(file.Longs(name, "input_ids"), i => (int)i), timesteps = Array.ConvertAll(file.Longs(name, "timesteps"), t => (int)t);
        int[] one = shape[^4..];
        int count = one.Aggregate(1, (a, b) => a * b), batch = one[0], channels = one[1];
        NoisyBatch noisy = new(
            ChannelOrder.ToLast(x0.AsSpan(step * count, count), batch, channels),
            ChannelOrder.ToLast(noise.AsSpan(step * count, count), batch, channels),
            timesteps.AsSpan(step * batch, batch).ToArray(),
            [batch, one[2], one[3], channels]);
        return DenoisingLoss.Forward(tape, model.UNet, new NoiseSchedule(model.Scheduler), noisy, model.TextEncoder.Forward(tape, ids, batch));
    }

    // The layers a case names, in the file's order.
    static IReadOnlyList<AdapterTarget> Targets(DiffusionModel model, FixtureFile file, string name, string prefix, string factor) =>
    [
        .. file.Tensors(name)
            .Where(t => t.StartsWith(prefix + ".", StringComparison.Ordinal) && t.EndsWith("." + factor, StringComparison.Ordinal))
            .Select(t => Target(model, t[(prefix.Length + 1)..^(factor.Length + 1)])),
    ];

    static AdapterTarget Target(DiffusionModel model, string path)
    {
        int dot = path.IndexOf('.', StringComparison.Ordinal);
        (string component, string key) = (path[..dot], path[(dot + 1)..]);
        Weights weights = component == "unet" ? model.UNet.Weights : model.TextEncoder.Weights;
        return new AdapterTarget(component, key, weights.Linears[key]);
    }

    // Ours say down and up where peft says A and B.
    static string FileName(Parameter p) => p.Name.EndsWith(".down", StringComparison.Ordinal) ? p.Name[..^"down".Length] + "A"
        : p.Name.EndsWith(".up", StringComparison.Ordinal) ? p.Name[..^"up".Length] + "B"
        : p.Name;

    DiffusionModel Load(string device = "cpu") => ModelFolder.Load(Shared.Require("fixtures", "tiny-sd"), Device(device));
}
