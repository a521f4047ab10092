using System.Text.Json;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tests.Fixtures;
using IlgpuDiffusion.Training;

namespace IlgpuDiffusion.Tests.Optim;

/// Optimisers, clipping and averaging against torch and diffusers, step by step.
[Trait("Category", "Fixtures")]
public class OptimFixtureTests(Devices devices) : DeviceTest(devices)
{
    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void AdamW_matches_torch(string device)
    {
        using FixtureFile file = FixtureFile.Open("optim", "adamw.safetensors");
        foreach (string name in file.Cases)
        {
            JsonElement a = file.Attributes(name);
            string[] parameters = [.. file.Tensors(name).Where(t => t.EndsWith(".init", StringComparison.Ordinal)).Select(t => t[..^".init".Length]).Order()];
            JsonElement[]? groups = a.TryGetProperty("groups", out JsonElement g) ? [.. g.EnumerateArray()] : null;
            float[]? rates = file.Has(name, "lr") ? file.Floats(name, "lr") : null;
            for (int group = 0; group < (groups?.Length ?? 1); group++)
            {
                string[] mine = groups is null ? parameters : [parameters[group]];
                JsonElement settings = groups is null ? a : groups[group];
                AdamWSettings s = new()
                {
                    LearningRate = rates is null ? settings.GetProperty("lr").GetDouble() : 1,
                    WeightDecay = settings.GetProperty("weight_decay").GetDouble(),
                    Beta1 = a.TryGetProperty("betas", out JsonElement betas) ? betas[0].GetDouble() : 0.9,
                    Beta2 = a.TryGetProperty("betas", out betas) ? betas[1].GetDouble() : 0.999,
                    Epsilon = a.TryGetProperty("eps", out JsonElement eps) ? eps.GetDouble() : 1e-8,
                };
                using Weights weights = Load(file, name, mine, device);
                using AdamW adam = new(weights, s);
                for (int step = 0; step < a.GetProperty("steps").GetInt32(); step++)
                {
                    SetGrads(file, name, weights, step);
                    adam.Step(rates is null ? 1 : rates[step]);
                    CompareAfter(file, name, weights, step, 5e-6);
                }

                foreach (string p in mine)
                {
                    if (file.Has(name, $"{p}.final"))
                        Tol.Close(weights[p].Value.ToArray(), file.Floats(name, $"{p}.final"), 5e-6, $"{name}.{p}.final");
                }

                if (file.Has(name, $"{mine[0]}.exp_avg"))
                {
                    float[] first = adam.First.ToArray(), second = adam.Second.ToArray();
                    int at = 0;
                    foreach (string p in mine)
                    {
                        int count = (int)weights[p].Shape.Count;
                        Tol.Close(first.AsSpan(at, count), file.Floats(name, $"{p}.exp_avg"), 5e-6, $"{name}.{p}.exp_avg");
                        Tol.Close(second.AsSpan(at, count), file.Floats(name, $"{p}.exp_avg_sq"), 5e-6, $"{name}.{p}.exp_avg_sq");
                        at += (count + 15) / 16 * 16;
                    }
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Sgd_matches_torch(string device)
    {
        using FixtureFile file = FixtureFile.Open("optim", "sgd.safetensors");
        foreach (string name in file.Cases)
        {
            JsonElement a = file.Attributes(name);
            float Number(string key) => a.TryGetProperty(key, out JsonElement v) ? v.GetSingle() : 0;
            using Weights weights = Load(file, name, [""], device);
            using Sgd sgd = new(weights, new SgdSettings
            {
                LearningRate = Number("lr"),
                Momentum = Number("momentum"),
                Dampening = Number("dampening"),
                WeightDecay = Number("weight_decay"),
                Nesterov = a.TryGetProperty("nesterov", out JsonElement nesterov) && nesterov.GetBoolean(),
            });
            for (int step = 0; step < a.GetProperty("steps").GetInt32(); step++)
            {
                SetGrads(file, name, weights, step);
                sgd.Step();
                CompareAfter(file, name, weights, step, 2e-6);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Clipping_matches_torch(string device)
    {
        using FixtureFile file = FixtureFile.Open("optim", "clip.safetensors");
        foreach (string name in file.Cases)
        {
            string[] tensors = [.. file.Tensors(name).Where(t => t.EndsWith(".before", StringComparison.Ordinal)).Select(t => t[..^".before".Length]).Order()];
            using Weights weights = new();
            foreach (string t in tensors)
                weights.Root.Get(t, file.Tensor(name, $"{t}.before").Shape);
            weights.Allocate(Device(device), "clip");
            weights.RequireGrad(true);
            foreach (string t in tensors)
                weights[t].Value.Grad!.CopyFrom(file.Floats(name, $"{t}.before"));
            double norm = GradNorm.Of(Arena(device), weights);
            float coefficient = GradNorm.Coefficient(norm, file.Attributes(name).GetProperty("max_norm").GetDouble());
            Tol.Close([(float)norm], file.Floats(name, "norm"), 1e-6, $"{name}.norm");
            foreach (string t in tensors)
                Tol.Close(Array.ConvertAll(weights[t].Value.Grad!.ToArray(), v => v * coefficient), file.Floats(name, $"{t}.after"), 1e-6, $"{name}.{t}.after");
        }
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Ema_matches_diffusers(string device)
    {
        using FixtureFile file = FixtureFile.Open("optim", "ema.safetensors");
        foreach (string name in file.Cases)
        {
            JsonElement a = file.Attributes(name);
            double Number(string key, double fallback) => a.TryGetProperty(key, out JsonElement v) ? v.GetDouble() : fallback;
            using Weights weights = Load(file, name, [""], device);
            using Ema ema = new(weights, new EmaSettings
            {
                Decay = Number("decay", 0.9999),
                MinDecay = Number("min_decay", 0),
                UpdateAfterStep = (int)Number("update_after_step", 0),
                UseEmaWarmup = a.TryGetProperty("use_ema_warmup", out JsonElement warmup) && warmup.GetBoolean(),
                InvGamma = Number("inv_gamma", 1),
                Power = Number("power", 2.0 / 3),
            });
            int count = (int)weights["p"].Shape.Count;
            float[] steps = file.Floats(name, "params"), shadows = file.Floats(name, "shadow");
            for (int step = 0; step < steps.Length / count; step++)
            {
                weights["p"].Value.CopyFrom(steps.AsSpan(step * count, count));
                ema.Step();
                Assert.Equal(a.GetProperty("decay_used")[step].GetDouble(), ema.Settings.At(step + 1), 12);
                Tol.Close(ema.Shadow.ToArray().AsSpan(0, count), shadows.AsSpan(step * count, count), 1e-6, $"{name} step {step}");
            }
        }
    }

    /// Parameters named as in the file; a file with one unnamed parameter calls it "p".
    Weights Load(FixtureFile file, string name, string[] parameters, string device)
    {
        Weights weights = new();
        foreach (string p in parameters)
            weights.Root.Get(p.Length == 0 ? "p" : p, file.Tensor(name, Key(p, "init")).Shape);
        weights.Allocate(Device(device), "fixture");
        foreach (string p in parameters)
            weights[p.Length == 0 ? "p" : p].Value.CopyFrom(file.Floats(name, Key(p, "init")));
        return weights;
    }

    static string Key(string parameter, string what) => parameter is "" or "p" ? what : $"{parameter}.{what}";

    static void SetGrads(FixtureFile file, string name, Weights weights, int step)
    {
        foreach (Parameter p in weights.Parameters)
        {
            int count = (int)p.Shape.Count;
            p.Value.Grad!.CopyFrom(file.Floats(name, Key(p.Name, "grads")).AsSpan(step * count, count));
        }
    }

    static void CompareAfter(FixtureFile file, string name, Weights weights, int step, double tolerance)
    {
        foreach (Parameter p in weights.Parameters)
        {
            int count = (int)p.Shape.Count;
            if (file.Has(name, Key(p.Name, "after")))
                Tol.Close(p.Value.ToArray(), file.Floats(name, Key(p.Name, "after")).AsSpan(step * count, count), tolerance, $"{name}.{p.Name} step {step}");
        }
    }
}
