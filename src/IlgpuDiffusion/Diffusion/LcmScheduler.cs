namespace IlgpuDiffusion.Diffusion;

/// Multistep consistency sampling of a latent consistency model (Luo et al. 2023, algorithm 3; boundary condition of Song et al. 2023, section 3):
///
///     f = c_out x₀ + c_skip x,   c_skip = s² / (τ² + s²),  c_out = τ / √(τ² + s²),   τ = timestep_scaling · t,  s = 1/2
///     x' = √ᾱ' f + √(1 − ᾱ') z
///
/// The last step ends at f and draws nothing. Timesteps are taken from the `original_inference_steps` that the model was distilled on.
public sealed class LcmScheduler(SchedulerConfig config) : IScheduler
{
    const double SigmaData = 0.5;

    readonly NoiseSchedule schedule = new(config);
    float[] timesteps = [];
    float[] predX0 = [];

    public IReadOnlyList<float> Timesteps => timesteps;

    public float InitNoiseSigma => 1;

    public ReadOnlySpan<float> PredX0 => predX0;

    public void SetTimesteps(int n)
    {
        int original = config.OriginalInferenceSteps;
        if (n < 1 || n > original)
            throw new IlgdException($"{n} inference steps asked for; this model was distilled on {original} (original_inference_steps), so use 1 to {original}");
        int step = schedule.Count / original;
        timesteps = new float[n];
        for (int i = 0; i < n; i++)
            timesteps[i] = (original - (long)i * original / n) * step - 1;
    }

    public void Step(int index, ReadOnlySpan<float> modelOutput, Span<float> sample, NormalSource? noise = null)
    {
        SchedulerMath.CheckStep(index, timesteps.Length, modelOutput.Length, sample.Length);
        int t = (int)timesteps[index];
        (double alpha, double sigma) = schedule.AlphaSigma(t);
        double tau = config.TimestepScaling * t;
        double skip = SigmaData * SigmaData / (tau * tau + SigmaData * SigmaData), outer = tau / Math.Sqrt(tau * tau + SigmaData * SigmaData);
        double range = config.ClipSample ?? false ? config.ClipSampleRange : double.PositiveInfinity;
        bool last = index == timesteps.Length - 1;
        (double alphaNext, double sigmaNext) = last ? (1, 0) : schedule.AlphaSigma((int)timesteps[index + 1]);
        float[] draws = last ? [] : SchedulerMath.Draw(noise, sample.Length, "LCM");
        Array.Resize(ref predX0, sample.Length);
        for (int i = 0; i < sample.Length; i++)
        {
            double x0 = Math.Clamp(SchedulerMath.Split(config.PredictionType, alpha, sigma, modelOutput[i], sample[i]).X0, -range, range);
            double denoised = outer * x0 + skip * sample[i];
            predX0[i] = (float)denoised;
            sample[i] = (float)(alphaNext * denoised + (last ? 0 : sigmaNext * draws[i]));
        }
    }
}
