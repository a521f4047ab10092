namespace IlgpuDiffusion.Diffusion;

/// Heun's second-order steps of the probability-flow ODE (Karras et al. 2022, algorithm 1), x = x₀ + σ ε: an Euler step to σ', then
///
///     x' = x + (σ' − σ) (d(x, σ) + d(x_Euler, σ')) / 2,   d = (x − x₀) / σ
///
/// so a step calls the network twice, the last one, which ends at σ = 0, once: n steps have 2n − 1 timesteps.
public sealed class HeunScheduler(SchedulerConfig config) : IScheduler
{
    readonly SigmaTable table = new(config);
    float[] timesteps = [];
    float[] sigmas = [];
    float[] predX0 = [];
    float[] start = [];
    float[] slope = [];
    int begin;
    int nextIndex;

    public IReadOnlyList<float> Timesteps => timesteps;

    public float InitNoiseSigma => table.InitNoiseSigma(sigmas);

    public ReadOnlySpan<float> PredX0 => predX0;

    public bool KeepsSignal => true;

    public int CallsPerStep => 2;

    /// Every σ that a step ends at stands twice.
    public ReadOnlySpan<float> Sigmas => sigmas;

    public void SetTimesteps(int n)
    {
        begin = nextIndex = 0;
        (float[] once, float[] ends) = table.Fractional(n);
        timesteps = [once[0], .. once[1..].SelectMany(t => (float[])[t, t])];
        sigmas = [ends[0], .. ends[1..^1].SelectMany(s => (float[])[s, s]), ends[^1]];
    }

    public void BeginAt(int index) => begin = nextIndex = index;

    public void ScaleModelInput(int index, Span<float> sample) => SchedulerMath.ScaleAtSigma(sigmas[index], sample);

    public void Step(int index, ReadOnlySpan<float> modelOutput, Span<float> sample, NormalSource? noise = null)
    {
        SchedulerMath.CheckStep(index, timesteps.Length, modelOutput.Length, sample.Length);
        SchedulerMath.TakeInOrder("Heun", index, begin, ref nextIndex);
        bool first = index % 2 == 0;
        double sigma = sigmas[index], change = first ? sigmas[index + 1] - sigma : sigma - sigmas[index - 1];
        double range = config.ClipSample ?? false ? config.ClipSampleRange : double.PositiveInfinity;
        Array.Resize(ref predX0, sample.Length);
        Array.Resize(ref start, sample.Length);
        Array.Resize(ref slope, sample.Length);
        for (int i = 0; i < sample.Length; i++)
        {
            double x0 = Math.Clamp(SchedulerMath.X0AtSigma(config.PredictionType, sigma, modelOutput[i], sample[i]), -range, range);
            double d = (sample[i] - x0) / sigma;
            predX0[i] = (float)x0;
            if (first)
                (start[i], slope[i]) = (sample[i], (float)d);
            else
                d = (slope[i] + d) / 2;
            sample[i] = (float)(start[i] + change * d);
        }
    }
}
