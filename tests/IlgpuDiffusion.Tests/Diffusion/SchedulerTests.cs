using System.Text.Json;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.Diffusion;

[Trait("Category", "Fixtures")]
public sealed class SchedulerTests
{
    // Suggested T of fixtures/README.md.
    const double TableTolerance = 5e-6;

    // A walk that begins at sigma 4096 (no signal left) loses float32's digits in the reference: ten times its measured error.
    const double ZeroSnrTolerance = 3e-4;

    [Theory]
    [InlineData("ddpm", 5e-6)]
    [InlineData("ddim", 5e-6)]
    [InlineData("pndm", 5e-6)]
    [InlineData("euler", 5e-6)]
    [InlineData("heun", 1e-5)]
    [InlineData("dpmpp", 1e-5)]
    [InlineData("unipc", 5e-6)]
    [InlineData("lcm", 5e-6)]
    public void Every_recorded_trajectory_is_followed(string family, double tolerance)
    {
        using FixtureFile file = FixtureFile.Open("schedulers", $"{family}.safetensors");
        Assert.NotEmpty(file.Cases);
        string[] failed = [.. file.Cases.SelectMany(name => Failures.Of(() => Follow(file, name, name == "euler_zero_snr_v" ? ZeroSnrTolerance : tolerance)))];
        Assert.True(failed.Length == 0, string.Join('\n', failed));
    }

    [Fact]
    public void Schedule_tables_noising_velocity_and_weights_match()
    {
        using FixtureFile file = FixtureFile.Open("schedulers", "common.safetensors");
        foreach (string name in file.Cases)
        {
            var schedule = new NoiseSchedule(SchedulerConfig.Parse(file.Attributes(name).GetProperty("config").GetRawText(), name));
            if (file.Has(name, "betas"))
            {
                Tol.Close(schedule.Betas, file.Floats(name, "betas"), TableTolerance, $"{name}.betas");
                Tol.Close(schedule.AlphasCumprod, file.Floats(name, "alphas_cumprod"), TableTolerance, $"{name}.alphas_cumprod");
            }
            float[] snr = [.. Enumerable.Range(0, schedule.Count).Select(t => (float)schedule.Snr(t))];
            float[] weights = [.. Enumerable.Range(0, schedule.Count).Select(t => (float)schedule.LossWeight(t, new MinSnr(5)))];
            // The reference has 0/0 where the SNR is 0; the weight there is its limit.
            float[] expectedWeights = Array.ConvertAll(file.Floats(name, "min_snr_weight_gamma5"), w => float.IsNaN(w) ? 1 : w);
            Tol.Close(snr, file.Floats(name, "snr"), TableTolerance, $"{name}.snr");
            Tol.Close(weights, expectedWeights, TableTolerance, $"{name}.min_snr_weight_gamma5");

            long[] timesteps = file.Longs(name, "timesteps");
            float[] x0 = file.Floats(name, "x0"), noise = file.Floats(name, "noise");
            float[] noisy = new float[x0.Length], velocity = new float[x0.Length];
            int size = x0.Length / timesteps.Length;
            for (int b = 0; b < timesteps.Length; b++)
            {
                Range sample = (b * size)..((b + 1) * size);
                schedule.AddNoise((int)timesteps[b], x0.AsSpan(sample), noise.AsSpan(sample), noisy.AsSpan(sample));
                schedule.Velocity((int)timesteps[b], x0.AsSpan(sample), noise.AsSpan(sample), velocity.AsSpan(sample));
            }
            Tol.Close(noisy, file.Floats(name, "noisy"), TableTolerance, $"{name}.noisy");
            Tol.Close(velocity, file.Floats(name, "velocity"), TableTolerance, $"{name}.velocity");
        }
    }

    [Fact]
    public void Timestep_tables_match_for_every_configuration()
    {
        int compared = 0;
        using JsonDocument tables = JsonDocument.Parse(File.ReadAllText(Shared.Require("fixtures", "schedulers", "timestep_tables.json")));
        foreach (JsonElement table in tables.RootElement.EnumerateArray())
        {
            string kind = table.GetProperty("scheduler").GetString()!;
            int n = table.GetProperty("num_inference_steps").GetInt32();
            IScheduler scheduler = Make(kind, table.GetProperty("config"), eta: 0);
            string title = $"{kind} {table.GetProperty("config").GetRawText()} n = {n}";
            compared++;
            if (table.TryGetProperty("error", out _))
            {
                Assert.Throws<IlgdException>(() => scheduler.SetTimesteps(n));
                continue;
            }

            scheduler.SetTimesteps(n);
            CheckTimesteps([.. table.GetProperty("timesteps").EnumerateArray().Select(t => t.GetSingle())], scheduler, title);
            Tol.Close([scheduler.InitNoiseSigma], [table.GetProperty("init_noise_sigma").GetSingle()], TableTolerance, $"{title}: first sigma");
            if (table.TryGetProperty("sigmas", out JsonElement sigmas))
                Tol.Close(scheduler.Sigmas, [.. sigmas.EnumerateArray().Select(s => s.GetSingle())], TableTolerance, title);
        }
        Assert.True(compared > 0, "no tables");
    }

    // Whole timesteps must be the same; fractional ones come out of float32 logarithms.
    static void CheckTimesteps(float[] expected, IScheduler scheduler, string title)
    {
        if (Array.TrueForAll(expected, t => t == MathF.Round(t)) && scheduler.Timesteps.All(t => t == MathF.Round(t)))
            Assert.True(expected.SequenceEqual(scheduler.Timesteps), $"{title}: got {string.Join(' ', scheduler.Timesteps)}");
        else
            Tol.Close([.. scheduler.Timesteps], expected, TableTolerance, $"{title}.timesteps");
    }

    // Our own samples go on from step to step; only the network's outputs and the noise are the recorded ones.
    static void Follow(FixtureFile file, string name, double tolerance)
    {
        JsonElement attributes = file.Attributes(name);
        double eta = attributes.GetProperty("step_kwargs").TryGetProperty("eta", out JsonElement e) ? e.GetDouble() : 0;
        string kind = attributes.GetProperty("scheduler").GetString()!;
        IScheduler scheduler = Make(kind, attributes.GetProperty("config"), eta);
        int n = attributes.GetProperty("num_inference_steps").GetInt32();
        scheduler.SetTimesteps(n);
        CheckTimesteps(file.Floats(name, "timesteps"), scheduler, name);
        Tol.Close([scheduler.InitNoiseSigma], [attributes.GetProperty("init_noise_sigma").GetSingle()], TableTolerance, $"{name}: first sigma");
        if (file.Has(name, "sigmas"))
            Tol.Close(scheduler.Sigmas, file.Floats(name, "sigmas"), TableTolerance, $"{name}.sigmas");

        float[] sample = file.Floats(name, "x_init");
        int size = sample.Length;
        float[] inputs = file.Floats(name, "model_inputs"), outputs = file.Floats(name, "model_outputs"), samples = file.Floats(name, "samples");
        float[] noises = file.Has(name, "noises") ? file.Floats(name, "noises") : [];
        float[] predX0 = file.Has(name, "pred_x0") ? file.Floats(name, "pred_x0") : [];
        int draws = 0;
        for (int i = 0; i < size; i++)
            sample[i] *= scheduler.InitNoiseSigma;
        Tol.Close(sample, samples.AsSpan(0, size), tolerance, $"{name}.samples[0]");
        for (int step = 0; step < scheduler.Timesteps.Count; step++)
        {
            Range now = (step * size)..((step + 1) * size);
            float[] input = [.. sample];
            scheduler.ScaleModelInput(step, input);
            Tol.Close(input, inputs.AsSpan(now), tolerance, $"{name}.model_inputs[{step}]");
            scheduler.Step(step, outputs.AsSpan(now), sample, z => noises.AsSpan(size * draws++, size).CopyTo(z));
            if (predX0.Length > 0)
                Tol.Close(scheduler.PredX0, predX0.AsSpan(now), tolerance, $"{name}.pred_x0[{step}]");
            Tol.Close(sample, samples.AsSpan((step + 1) * size, size), tolerance, $"{name}.samples[{step + 1}]");
        }
        Assert.Equal(attributes.GetProperty("noise_draws").GetInt32(), draws);
    }

    static IScheduler Make(string kind, JsonElement config, double eta) =>
        Schedulers.Create(null, SchedulerConfig.Parse(config.GetRawText(), kind) with { ClassName = kind }, eta);
}
