namespace IlgpuDiffusion.Diffusion;

/// Ancestral sampling, Ho et al. 2020, eq. 7, with t' the timestep after t and α = ᾱ_t / ᾱ_t':
///
///     x_t' = (√ᾱ_t' (1 − α) x₀ + √α (1 − ᾱ_t') x_t) / (1 − ᾱ_t)  +  √var · z
///     var  = (1 − ᾱ_t') / (1 − ᾱ_t) · (1 − α)   (fixed_small)   or   1 − α   (fixed_large)
///
/// The step at timestep 0 draws nothing.
public sealed class DdpmScheduler(SchedulerConfig config) : IScheduler
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
        (double alpha, double sigma) = schedule.AlphaSigma(t);
        double alphaBar = schedule.AlphasCumprod[t];
        double alphaBarNext = index + 1 < timesteps.Length ? schedule.AlphasCumprod[(int)timesteps[index + 1]] : 1;
        double stepAlpha = alphaBar / alphaBarNext;
        double stepBeta = 1 - stepAlpha;
        double weightX0 = Math.Sqrt(alphaBarNext) * stepBeta / (1 - alphaBar);
        double weightSample = Math.Sqrt(stepAlpha) * (1 - alphaBarNext) / (1 - alphaBar);
        double variance = config.VarianceType == VarianceType.FixedLarge ? stepBeta : (1 - alphaBarNext) / (1 - alphaBar) * stepBeta;
        double std = Math.Sqrt(variance);
        float[] draws = t > 0 ? SchedulerMath.Draw(noise, sample.Length, "DDPM") : [];
        double range = config.ClipSample ?? true ? config.ClipSampleRange : double.PositiveInfinity;

        Array.Resize(ref predX0, sample.Length);
        for (int i = 0; i < sample.Length; i++)
        {
            double x0 = SchedulerMath.Split(schedule.PredictionType, alpha, sigma, modelOutput[i], sample[i]).X0;
            x0 = Math.Clamp(x0, -range, range);
            predX0[i] = (float)x0;
            sample[i] = (float)(weightX0 * x0 + weightSample * sample[i] + (t > 0 ? std * draws[i] : 0));
        }
    }
}
