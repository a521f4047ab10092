namespace IlgpuDiffusion.Diffusion;

/// Sampling that starts from a picture and not from noise (SDEdit, Meng et al. 2022), with steps counted as diffusers' StableDiffusionImg2ImgPipeline counts them.
public static class ImageToImage
{
    /// The call at which sampling begins: of n steps the last ⌊n · strength⌋ are taken.   `strength`: 0 to 1   Errors: no step is left.
    public static int FirstCall(IScheduler scheduler, int steps, double strength)
    {
        int taken = Math.Min((int)(steps * strength), steps);
        if (taken < 1)
            throw new IlgdException($"strength {strength} of {steps} steps leaves none; raise one of them");
        return (steps - taken) * scheduler.CallsPerStep;
    }

    /// x₀ with noise as the scheduler has it at a call: α x₀ + σ ε, or x₀ + σ ε where it walks in σ.   x0, noise, noisy: of one length
    public static void AddNoise(IScheduler scheduler, SchedulerConfig config, int call, ReadOnlySpan<float> x0, ReadOnlySpan<float> noise, Span<float> noisy)
    {
        (double alpha, double sigma) = scheduler.Sigmas.IsEmpty
            ? new NoiseSchedule(config).AlphaSigma((int)scheduler.Timesteps[call])
            : scheduler.KeepsSignal ? (1, scheduler.Sigmas[call]) : Split(scheduler.Sigmas[call]);
        for (int i = 0; i < noisy.Length; i++)
            noisy[i] = (float)((alpha * x0[i]) + (sigma * noise[i]));
    }

    // α and σ of the same ratio with α² + σ² = 1.
    static (double Alpha, double Sigma) Split(double ratio)
    {
        double alpha = 1 / Math.Sqrt((ratio * ratio) + 1);
        return (alpha, ratio * alpha);
    }
}
