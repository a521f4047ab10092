namespace IlgpuDiffusion.Diffusion;

/// Euler steps of the probability-flow ODE (Karras et al. 2022, algorithm 2 without churn), x = x₀ + σ ε:
///
///     x' = x + (σ' − σ) d,   d = (x − x₀) / σ
///
/// Ancestral: the step goes down to σ_down and noise of σ_up is added, σ_down² + σ_up² = σ'²,
///
///     σ_up² = σ'² (σ² − σ'²) / σ²
///
/// which is DDPM's posterior variance in this form; it draws at every step, times zero at the last.
public sealed class EulerScheduler(SchedulerConfig config, bool ancestral = false) : IScheduler
{
    readonly SigmaTable table = new(config);
    float[] timesteps = [];
    float[] sigmas = [];
    float[] predX0 = [];

    public IReadOnlyList<float> Timesteps => timesteps;

    public float InitNoiseSigma => table.InitNoiseSigma(sigmas);

    public ReadOnlySpan<float> PredX0 => predX0;

    public bool KeepsSignal => true;

    public ReadOnlySpan<float> Sigmas => sigmas;

    public void SetTimesteps(int n) => (timesteps, sigmas) = table.Fractional(n);

    public void ScaleModelInput(int index, Span<float> sample) => SchedulerMath.ScaleAtSigma(sigmas[index], sample);

    public void Step(int index, ReadOnlySpan<float> modelOutput, Span<float> sample, NormalSource? noise = null)
    {
        SchedulerMath.CheckStep(index, timesteps.Length, modelOutput.Length, sample.Length);
        double sigma = sigmas[index], next = sigmas[index + 1];
        double variance = ancestral ? next * next * (sigma * sigma - next * next) / (sigma * sigma) : 0;
        double up = Math.Sqrt(variance), down = Math.Sqrt(next * next - variance);
        float[] draws = ancestral ? SchedulerMath.Draw(noise, sample.Length, "ancestral Euler") : [];
        Array.Resize(ref predX0, sample.Length);
        for (int i = 0; i < sample.Length; i++)
        {
            double x0 = SchedulerMath.X0AtSigma(config.PredictionType, sigma, modelOutput[i], sample[i]);
            predX0[i] = (float)x0;
            sample[i] = (float)(sample[i] + (down - sigma) * ((sample[i] - x0) / sigma) + (ancestral ? up * draws[i] : 0));
        }
    }
}
