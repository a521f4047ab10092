namespace IlgpuDiffusion.Diffusion;

/// Fills the destination with independent standard normal draws.
public delegate void NormalSource(Span<float> destination);

/// Walks from noise to a sample in n steps. Works on host memory: a latent is a few thousand numbers, a network's step is billions.
///
///     scheduler.SetTimesteps(n);                    // sample = scheduler.InitNoiseSigma * standard normal
///     for (int i = 0; i &lt; scheduler.Timesteps.Count; i++)
///         scheduler.Step(i, model(sample, scheduler.Timesteps[i]), sample, noise);
public interface IScheduler
{
    /// Descending trained timesteps, one a call of the network; samplers that walk in σ have fractional ones, those of second order and some
    /// multistep ones (Heun, PNDM) more of them than steps were asked for.
    IReadOnlyList<float> Timesteps { get; }

    /// σ/α before every call and after the last; none for samplers that walk in timesteps.
    ReadOnlySpan<float> Sigmas => [];

    /// Standard deviation of the first sample.
    float InitNoiseSigma { get; }

    /// The x₀ estimate of the last step, for previews.
    ReadOnlySpan<float> PredX0 { get; }

    /// Chooses n timesteps and forgets the last run.
    void SetTimesteps(int n);

    /// Calls of the network a step.
    int CallsPerStep => 1;

    /// Samples are x₀ + σ ε; otherwise α x₀ + σ ε with α² + σ² = 1.
    bool KeepsSignal => false;

    /// The call at which the next sample begins, for samplers that remember; 0 unless said, and again after SetTimesteps.
    void BeginAt(int index)
    {
    }

    /// What the network should see of the sample at this step; these schedulers keep the variance, so the sample itself.
    void ScaleModelInput(int index, Span<float> sample)
    {
    }

    /// x at timestep `index` becomes x at the next, in place. Stochastic schedulers draw from `noise` and refuse null.
    /// Steps run in order from where they begin; starting there again begins a new sample.
    void Step(int index, ReadOnlySpan<float> modelOutput, Span<float> sample, NormalSource? noise = null);
}
