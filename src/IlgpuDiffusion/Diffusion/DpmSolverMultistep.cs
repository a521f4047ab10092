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
    readonly SigmaTable table;
    readonly float[][] history = [[], [], []];
    float[] timesteps = [];
    float[] sigmas = [];
    int begin;
    int nextIndex;

    public DpmSolverMultistep(SchedulerConfig config)
    {
        this.config = config;
        table = new SigmaTable(config);
    }

    public IReadOnlyList<float> Timesteps => timesteps;

    public float InitNoiseSigma => 1;

    public ReadOnlySpan<float> PredX0 => history[0];

    public ReadOnlySpan<float> Sigmas => sigmas;

    public void SetTimesteps(int n)
    {
        int last = table.CountAboveLambdaMin;
        if (n < 1 || n >= last)
            throw new IlgdException($"{n} inference steps asked for; DPM-Solver takes 1 to {last - 1} of this schedule");
        begin = nextIndex = 0;
        (timesteps, sigmas) = table.Whole(n, last);
    }

    public void BeginAt(int index) => begin = nextIndex = index;

    public void Step(int index, ReadOnlySpan<float> modelOutput, Span<float> sample, NormalSource? noise = null)
    {
        SchedulerMath.CheckStep(index, timesteps.Length, modelOutput.Length, sample.Length);
        SchedulerMath.TakeInOrder("DPM-Solver", index, begin, ref nextIndex);

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
        double weight1 = order == 2 && config.SolverType != SolverType.Heun ? phi / 2 : 1 - phi / hh;
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
        return Math.Min(Math.Min(allowed, config.SolverOrder), index - begin + 1);
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

    (double Alpha, double Sigma, double Lambda) At(int index) => SigmaTable.At(sigmas[index]);
}
