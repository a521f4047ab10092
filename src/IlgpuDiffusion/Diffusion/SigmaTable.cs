namespace IlgpuDiffusion.Diffusion;

/// σ/α of the trained timesteps, and the choice of n of them: what the samplers share that walk in σ (Karras et al. 2022).
/// The table is float32 as published schedulers have it; everything in between is double.
sealed class SigmaTable
{
    const double Rho = 7;   // Karras et al. 2022, eq. 5

    readonly SchedulerConfig config;
    readonly double[] trained;

    public SigmaTable(SchedulerConfig config)
    {
        this.config = config;
        float[] alphaBar = new NoiseSchedule(config).AlphasCumprod.ToArray();
        // A last timestep without signal has σ/α = ∞; the smallest signal instead keeps the table finite.
        if (config.RescaleBetasZeroSnr)
            alphaBar[^1] = MathF.ScaleB(1, -24);
        trained = Array.ConvertAll(alphaBar, a => (double)MathF.Sqrt((1 - a) / a));
    }

    /// Number of timesteps with log(α/σ) of at least lambda_min_clipped.
    public int CountAboveLambdaMin => trained.Count(s => -Math.Log(s) >= config.LambdaMinClipped);

    /// α and σ with α² + σ² = 1, and λ = log(α/σ), from σ/α.
    public static (double Alpha, double Sigma, double Lambda) At(double ratio)
    {
        double alpha = 1 / Math.Sqrt(ratio * ratio + 1);
        return (alpha, ratio * alpha, -Math.Log(ratio));
    }

    /// For multistep solvers: n whole timesteps below `last`, and n + 1 σ/α. Respaced sigmas (Karras, exponential) lie between the table's ends.
    public (float[] Timesteps, float[] Sigmas) Whole(int n, int last)
    {
        TimestepSpacing spacing = config.TimestepSpacing ?? TimestepSpacing.Linspace;
        // One point more than steps: the end of the last step is `final_sigmas_type`, not a timestep.
        int[] timesteps = spacing == TimestepSpacing.Trailing
            ? SchedulerMath.SpacedTimesteps(spacing, last, n, config.StepsOffset)
            : SchedulerMath.SpacedTimesteps(spacing, last, n + 1, config.StepsOffset)[..^1];
        double[] sigmas = Array.ConvertAll(timesteps, t => trained[t]);
        if (Respaced(n, trained[^1], trained[0]) is { } respaced)
        {
            sigmas = respaced;
            timesteps = Array.ConvertAll(sigmas, sigma => Rounded(TimestepOf(sigma)));
        }

        return (Array.ConvertAll(timesteps, t => (float)t), [.. sigmas.Select(s => (float)s), Final]);
    }

    /// For samplers that take fractional timesteps: n of them and n + 1 σ/α. Respaced sigmas lie between the ends of the n chosen.
    public (float[] Timesteps, float[] Sigmas) Fractional(int n)
    {
        TimestepSpacing spacing = config.TimestepSpacing ?? TimestepSpacing.Linspace;
        double step = n > 1 ? (trained.Length - 1.0) / (n - 1) : 0;
        float[] timesteps = Array.ConvertAll(SchedulerMath.SpacedTimesteps(spacing, trained.Length, n, config.StepsOffset), t => (float)t);
        if (spacing == TimestepSpacing.Linspace)
        {
            for (int i = 0; i < n; i++)
                timesteps[i] = (float)((n - 1 - i) * step);
        }

        double[] sigmas = Array.ConvertAll(timesteps, t => SigmaOf(t));
        if (Respaced(n, sigmas[0], sigmas[^1]) is { } respaced)
        {
            sigmas = respaced;
            timesteps = Array.ConvertAll(sigmas, sigma => (float)TimestepOf(sigma));
        }

        return (timesteps, [.. sigmas.Select(s => (float)s), Final]);
    }

    /// Standard deviation of the first sample: σ/α where the walk begins at the table's end, the whole variance's root where it begins below.
    public float InitNoiseSigma(ReadOnlySpan<float> sigmas)
    {
        if (sigmas.IsEmpty)
            return 1;
        float max = sigmas[0];
        return config.TimestepSpacing == TimestepSpacing.Leading ? MathF.Sqrt(max * max + 1) : max;
    }

    float Final => config.FinalSigmasType == FinalSigmasType.SigmaMin ? (float)trained[0] : 0;

    double[]? Respaced(int n, double max, double min)
    {
        double[] sigmas = new double[n];
        for (int i = 0; i < n; i++)
        {
            double u = n == 1 ? 0 : i / (n - 1.0);
            if (config.UseKarrasSigmas)
                sigmas[i] = Math.Pow(Math.Pow(max, 1 / Rho) + u * (Math.Pow(min, 1 / Rho) - Math.Pow(max, 1 / Rho)), Rho);
            else if (config.UseExponentialSigmas)
                sigmas[i] = Math.Exp(Math.Log(max) + u * (Math.Log(min) - Math.Log(max)));
            else
                return null;
        }

        return sigmas;
    }

    int Rounded(double timestep) =>
        (int)(config.UseKarrasSigmas && config.BetaSchedule != BetaSchedule.SquaredCosine ? Math.Round(timestep) : timestep);

    double SigmaOf(double timestep)
    {
        int low = Math.Min((int)timestep, trained.Length - 2);
        return trained.Length == 1 ? trained[0] : trained[low] + (timestep - low) * (trained[low + 1] - trained[low]);
    }

    // Where log σ lies among the trained ones, as a fractional timestep. Logarithms are rounded to float32, as the tables of
    // published timesteps are: a σ at the very end truncates to the timestep below because of it.
    double TimestepOf(double sigma)
    {
        double log = Math.Log(Math.Max(sigma, 1e-10));
        int low = 0;
        while (low < trained.Length - 2 && LogSigma(low + 1) <= log)
            low++;
        float a = LogSigma(low), b = LogSigma(low + 1);
        double w = Math.Clamp((a - log) / (a - b), 0, 1);
        return (1 - w) * low + w * (low + 1);
    }

    float LogSigma(int t) => MathF.Log((float)trained[t]);
}
