namespace IlgpuDiffusion.Diffusion;

/// DPM-Solver++ (Lu et al. 2022), multistep, orders 1 to 3. With λ = log(α/σ), h = λ' − λ over the step, H = h (ODE) or 2h (SDE),
/// φ = 1 − e^−H, x₀ estimates m₀ (now), m₁, m₂ (before) and divided differences D₁, D₂ of them in λ:
///
///     x' = (σ'/σ) x [· e^−h, SDE] + α' φ m₀                            eq. 3.7 (first order is DDIM)
///        + α' · φ/2 · D₁   (midpoint, algorithm 2)   or   α' (1 − φ/H) D₁   (heun)
///        + α' (1/2 − (H − φ)/H²) D₂                                    (third order, which takes heun's D₁ term)
///        [+ σ' √(1 − e^−2h) z, SDE]
///
/// The order falls at the start for want of history, at the end as `lower_order_final` and a final σ of 0 ask.
public sealed class DpmSolverMultistep : IScheduler
{
    const int FewSteps = 15;

    readonly SchedulerConfig config;
    readonly double[] trainedSigmas;
    readonly int lastTimestep;
    readonly float[][] history = [[], [], []];
    int[] timesteps = [];
    float[] sigmas = [];
    int nextIndex;

    public DpmSolverMultistep(SchedulerConfig config)
    {
        this.config = config;
        float[] alphaBar = new NoiseSchedule(config).AlphasCumprod.ToArray();
        // A last timestep without signal has σ/α = ∞; the smallest signal instead keeps the table finite.
        if (config.RescaleBetasZeroSnr)
            alphaBar[^1] = MathF.ScaleB(1, -24);
        trainedSigmas = Array.ConvertAll(alphaBar, a => (double)MathF.Sqrt((1 - a) / a));
        lastTimestep = trainedSigmas.Count(s => -Math.Log(s) >= config.LambdaMinClipped);
    }

    public IReadOnlyList<int> Timesteps => timesteps;

    public float InitNoiseSigma => 1;

    public ReadOnlySpan<float> PredX0 => history[0];

    /// σ/α before every step and after the last, (n + 1)
    public ReadOnlySpan<float> Sigmas => sigmas;

    public void SetTimesteps(int n)
    {
        if (n < 1 || n >= lastTimestep)
            throw new IlgdException($"{n} inference steps asked for; DPM-Solver takes 1 to {lastTimestep - 1} of this schedule");
        nextIndex = 0;
        TimestepSpacing spacing = config.TimestepSpacing ?? TimestepSpacing.Linspace;
        // One point more than steps: the end of the last step is `final_sigmas_type`, not a timestep.
        timesteps = spacing == TimestepSpacing.Trailing
            ? SchedulerMath.SpacedTimesteps(spacing, lastTimestep, n, config.StepsOffset)
            : SchedulerMath.SpacedTimesteps(spacing, lastTimestep, n + 1, config.StepsOffset)[..^1];

        sigmas = new float[n + 1];
        double max = trainedSigmas[^1], min = trainedSigmas[0];
        for (int i = 0; i < n; i++)
        {
            double u = n == 1 ? 0 : i / (n - 1.0);
            double sigma = trainedSigmas[timesteps[i]];
            if (config.UseKarrasSigmas)
            {
                const double rho = 7;   // Karras et al. 2022, eq. 5
                sigma = Math.Pow(Math.Pow(max, 1 / rho) + u * (Math.Pow(min, 1 / rho) - Math.Pow(max, 1 / rho)), rho);
                double t = TimestepOf(sigma);
                timesteps[i] = (int)(config.BetaSchedule == BetaSchedule.SquaredCosine ? t : Math.Round(t));
            }
            else if (config.UseExponentialSigmas)
            {
                sigma = Math.Exp(Math.Log(max) + u * (Math.Log(min) - Math.Log(max)));
                timesteps[i] = (int)TimestepOf(sigma);
            }
            sigmas[i] = (float)sigma;
        }
        sigmas[n] = config.FinalSigmasType == FinalSigmasType.SigmaMin ? (float)min : 0;
    }

    public void Step(int index, ReadOnlySpan<float> modelOutput, Span<float> sample, NormalSource? noise = null)
    {
        SchedulerMath.CheckStep(index, timesteps.Length, modelOutput.Length, sample.Length);
        if (index != 0 && index != nextIndex)
            throw new IlgdException($"DPM-Solver step {index} does not follow step {nextIndex - 1}; a multistep method takes its steps in order");
        nextIndex = index + 1;

        (double alpha, double sigma, double lambda) = At(index);
        PushX0(modelOutput, sample, alpha, sigma);

        (double alphaNext, double sigmaNext, double lambdaNext) = At(index + 1);
        bool sde = config.AlgorithmType == AlgorithmType.SdeDpmSolverPlusPlus;
        double h = lambdaNext - lambda;
        double hh = sde ? 2 * h : h;
        double phi = 1 - Math.Exp(-hh);
        double decay = sigmaNext / sigma * (sde ? Math.Exp(-h) : 1);
        double std = sde ? sigmaNext * Math.Sqrt(1 - Math.Exp(-2 * h)) : 0;
        float[] draws = sde ? SchedulerMath.Draw(noise, sample.Length, "SDE DPM-Solver") : [];

        int order = OrderAt(index);
        double r0 = order > 1 ? (lambda - At(index - 1).Lambda) / h : 0;
        double r1 = order > 2 ? (At(index - 1).Lambda - At(index - 2).Lambda) / h : 0;
        double weight1 = order == 2 && config.SolverType == SolverType.Midpoint ? phi / 2 : 1 - phi / hh;
        double weight2 = 0.5 - (hh - phi) / (hh * hh);
        (float[] m0, float[] m1, float[] m2) = (history[0], history[1], history[2]);
        for (int i = 0; i < sample.Length; i++)
        {
            double change = phi * m0[i];
            if (order > 1)
            {
                double d1 = (m0[i] - m1[i]) / r0;
                if (order > 2)
                {
                    double curve = (d1 - (m1[i] - m2[i]) / r1) / (r0 + r1);
                    d1 += r0 * curve;
                    change += weight2 * curve;
                }
                change += weight1 * d1;
            }
            sample[i] = (float)(decay * sample[i] + alphaNext * change + (sde ? std * draws[i] : 0));
        }
    }

    int OrderAt(int index)
    {
        bool few = config.LowerOrderFinal && timesteps.Length < FewSteps;
        int left = timesteps.Length - index;
        int allowed = left == 1 && (config.EulerAtFinal || few || config.FinalSigmasType == FinalSigmasType.Zero) ? 1
            : left == 2 && few ? 2
            : config.SolverOrder;
        return Math.Min(Math.Min(allowed, config.SolverOrder), index + 1);
    }

    void PushX0(ReadOnlySpan<float> modelOutput, ReadOnlySpan<float> sample, double alpha, double sigma)
    {
        float[] oldest = history[2];
        (history[2], history[1]) = (history[1], history[0]);
        Array.Resize(ref oldest, sample.Length);
        for (int i = 0; i < sample.Length; i++)
            oldest[i] = (float)SchedulerMath.Split(config.PredictionType, alpha, sigma, modelOutput[i], sample[i]).X0;
        history[0] = oldest;
    }

    // α and σ with α² + σ² = 1 from σ/α; λ = −log(σ/α).
    (double Alpha, double Sigma, double Lambda) At(int index)
    {
        double ratio = sigmas[index];
        double alpha = 1 / Math.Sqrt(ratio * ratio + 1);
        return (alpha, ratio * alpha, -Math.Log(ratio));
    }

    // Where log σ lies among the trained ones, as a fractional timestep. Logarithms are rounded to float32, as the tables of
    // published timesteps are: a σ at the very end truncates to the timestep below because of it.
    double TimestepOf(double sigma)
    {
        double log = Math.Log(Math.Max(sigma, 1e-10));
        int low = 0;
        while (low < trainedSigmas.Length - 2 && LogSigma(low + 1) <= log)
            low++;
        float a = LogSigma(low), b = LogSigma(low + 1);
        double w = Math.Clamp((a - log) / (a - b), 0, 1);
        return (1 - w) * low + w * (low + 1);
    }

    float LogSigma(int t) => MathF.Log((float)trainedSigmas[t]);
}
