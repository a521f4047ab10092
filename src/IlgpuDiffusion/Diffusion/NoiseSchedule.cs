namespace IlgpuDiffusion.Diffusion;

/// The forward process  q(x_t | x₀) = N(α_t x₀, σ_t² I),  α_t = √ᾱ_t,  σ_t = √(1 − ᾱ_t),  ᾱ_t = ∏_{s ≤ t} (1 − β_s)
/// (Ho et al. 2020, eq. 4). Tables are float32 as published models were trained with them: the linear ramp and its square are rounded
/// to float32, the running product is kept in double and rounded once per entry.
public sealed class NoiseSchedule
{
    readonly float[] betas;
    readonly float[] alphasCumprod;

    public NoiseSchedule(SchedulerConfig config)
    {
        PredictionType = config.PredictionType;
        betas = config.TrainedBetas ?? MakeBetas(config);
        if (config.RescaleBetasZeroSnr)
            betas = RescaleToZeroSnr(betas);
        alphasCumprod = CumulativeAlphas(betas);
    }

    public PredictionType PredictionType { get; }

    /// Number of trained timesteps T.
    public int Count => betas.Length;

    /// β_t, (T)
    public ReadOnlySpan<float> Betas => betas;

    /// ᾱ_t, (T)
    public ReadOnlySpan<float> AlphasCumprod => alphasCumprod;

    /// (α_t, σ_t): the weights of x₀ and of the noise in x_t.
    public (double Alpha, double Sigma) AlphaSigma(int t) => (Math.Sqrt(alphasCumprod[t]), Math.Sqrt(1.0 - alphasCumprod[t]));

    /// x_t = α_t x₀ + σ_t ε; all spans of one length (one sample of a batch).
    public void AddNoise(int t, ReadOnlySpan<float> x0, ReadOnlySpan<float> noise, Span<float> noisy)
    {
        (double alpha, double sigma) = AlphaSigma(t);
        for (int i = 0; i < noisy.Length; i++)
            noisy[i] = (float)(alpha * x0[i] + sigma * noise[i]);
    }

    /// v_t = α_t ε − σ_t x₀, the target of v-prediction; all spans of one length.
    public void Velocity(int t, ReadOnlySpan<float> x0, ReadOnlySpan<float> noise, Span<float> velocity)
    {
        (double alpha, double sigma) = AlphaSigma(t);
        for (int i = 0; i < velocity.Length; i++)
            velocity[i] = (float)(alpha * noise[i] - sigma * x0[i]);
    }

    /// Signal-to-noise ratio α_t² / σ_t².
    public double Snr(int t) => alphasCumprod[t] / (1.0 - alphasCumprod[t]);

    /// What the loss at a timestep counts for.
    public double LossWeight(int t, ILossWeighting weighting) => weighting.Of(Snr(t), PredictionType);

    /// The loss weights of a batch; none, which is 1 for all, without a weighting.
    public float[] LossWeights(ReadOnlySpan<int> timesteps, ILossWeighting? weighting)
    {
        if (weighting is null)
            return [];
        float[] weights = new float[timesteps.Length];
        for (int b = 0; b < weights.Length; b++)
            weights[b] = (float)LossWeight(timesteps[b], weighting);
        return weights;
    }

    static float[] MakeBetas(SchedulerConfig config) => config.BetaSchedule switch
    {
        BetaSchedule.Linear => Ramp((float)config.BetaStart, (float)config.BetaEnd, config.NumTrainTimesteps),
        BetaSchedule.ScaledLinear => Array.ConvertAll(
            Ramp((float)Math.Sqrt(config.BetaStart), (float)Math.Sqrt(config.BetaEnd), config.NumTrainTimesteps), b => b * b),
        _ => SquaredCosine(config.NumTrainTimesteps),
    };

    // Walks from both ends, so that the last entry is exact.
    static float[] Ramp(float start, float end, int n)
    {
        var ramp = new float[n];
        float step = n > 1 ? (end - start) / (n - 1) : 0;
        for (int i = 0; i < n; i++)
            ramp[i] = i < n / 2 || n == 1 ? MathF.FusedMultiplyAdd(step, i, start) : MathF.FusedMultiplyAdd(-step, n - 1 - i, end);
        return ramp;
    }

    static float[] SquaredCosine(int n)
    {
        var betas = new float[n];
        for (int i = 0; i < n; i++)
            betas[i] = (float)Math.Min(1 - AlphaBar((i + 1) / (double)n) / AlphaBar(i / (double)n), 0.999);
        return betas;

        static double AlphaBar(double u)
        {
            double c = Math.Cos((u + 0.008) / 1.008 * Math.PI / 2);
            return c * c;
        }
    }

    // √ᾱ is shifted to end at 0 and scaled to begin where it began.
    static float[] RescaleToZeroSnr(float[] betas)
    {
        float[] root = Array.ConvertAll(CumulativeAlphas(betas), MathF.Sqrt);
        float first = root[0], last = root[^1];
        float scale = first / (first - last);
        var rescaled = new float[betas.Length];
        float previous = 1;
        for (int t = 0; t < betas.Length; t++)
        {
            float shifted = (root[t] - last) * scale;
            float alphaBar = shifted * shifted;
            rescaled[t] = 1 - alphaBar / previous;
            previous = alphaBar;
        }
        return rescaled;
    }

    static float[] CumulativeAlphas(float[] betas)
    {
        var product = new float[betas.Length];
        double running = 1;
        for (int t = 0; t < betas.Length; t++)
        {
            running *= 1 - betas[t];
            product[t] = (float)running;
        }
        return product;
    }
}
