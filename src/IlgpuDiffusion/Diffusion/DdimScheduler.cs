namespace IlgpuDiffusion.Diffusion;

/// Song et al. 2021, eq. 12 and 16, with t' = t − T div n:
///
///     x_t' = √ᾱ_t' x₀ + √(1 − ᾱ_t' − s²) ε + s z,   s = η √((1 − ᾱ_t') / (1 − ᾱ_t)) √(1 − ᾱ_t / ᾱ_t')
///
/// η = 0 is deterministic and draws nothing, η = 1 is DDPM's variance. Before timestep 0, ᾱ is 1 or ᾱ₀ (set_alpha_to_one).
/// Clipping acts on x₀ only; ε stays the network's.
public sealed class DdimScheduler(SchedulerConfig config, double eta = 0) : IScheduler
{
    readonly NoiseSchedule schedule = new(config);
    float[] timesteps = [];
    float[] predX0 = [];

    public IReadOnlyList<float> Timesteps => timesteps;

    public float InitNoiseSigma => 1;

    public ReadOnlySpan<float> PredX0 => predX0;

    public void SetTimesteps(int n) => timesteps = Array.ConvertAll(
        SchedulerMath.SpacedTimesteps(config.TimestepSpacing ?? TimestepSpacing.Leading, schedule.Count, n, config.StepsOffset), t => (float)t);

    public void Step(int index, ReadOnlySpan<float> modelOutput, Span<float> sample, NormalSource? noise = null)
    {
        SchedulerMath.CheckStep(index, timesteps.Length, modelOutput.Length, sample.Length);
        int t = (int)timesteps[index];
        int next = t - schedule.Count / timesteps.Length;
        (double alpha, double sigma) = schedule.AlphaSigma(t);
        double alphaBar = schedule.AlphasCumprod[t];
        double alphaBarNext = next >= 0 ? schedule.AlphasCumprod[next] : config.SetAlphaToOne ?? true ? 1 : schedule.AlphasCumprod[0];
        double std = eta * Math.Sqrt((1 - alphaBarNext) / (1 - alphaBar) * (1 - alphaBar / alphaBarNext));
        double weightX0 = Math.Sqrt(alphaBarNext);
        double weightEpsilon = Math.Sqrt(1 - alphaBarNext - std * std);
        float[] draws = eta > 0 ? SchedulerMath.Draw(noise, sample.Length, "DDIM with eta > 0") : [];
        double range = config.ClipSample ?? true ? config.ClipSampleRange : double.PositiveInfinity;

        Array.Resize(ref predX0, sample.Length);
        for (int i = 0; i < sample.Length; i++)
        {
            (double x0, double epsilon) = SchedulerMath.Split(schedule.PredictionType, alpha, sigma, modelOutput[i], sample[i]);
            x0 = Math.Clamp(x0, -range, range);
            predX0[i] = (float)x0;
            sample[i] = (float)(weightX0 * x0 + weightEpsilon * epsilon + (eta > 0 ? std * draws[i] : 0));
        }
    }
}
