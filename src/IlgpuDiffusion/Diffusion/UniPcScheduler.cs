namespace IlgpuDiffusion.Diffusion;

/// UniPC (Zhao et al. 2023), multistep in x₀, orders 1 to 3: each step first corrects the sample with the output just computed (UniC, algorithm 1), then
/// predicts the next (UniP, algorithm 2). With λ = log(α/σ), h = λ' − λ, x₀ estimates m₀ (at the step's start), m₁, … before it at r_i = (λ_i − λ)/h:
///
///     x' = (σ'/σ) x − α' (e^−h − 1) m₀ − α' B(h) Σ_i ρ_i (m_i − m₀) / r_i
///
/// B(h) = −h (bh1) or e^−h − 1 (bh2). ρ solves R ρ = b with R_ki = r_i^(k−1), b_k = k! φ_k(−h) / B(h), so that the sum has the wanted order; in the corrector
/// the output at λ' itself is one of the m_i, at r = 1. Order 1 of the corrector and 2 of the predictor take ρ = 1/2 instead of solving.
public sealed class UniPcScheduler(SchedulerConfig config) : IScheduler
{
    readonly SigmaTable table = new(config);
    readonly List<float[]> history = [];
    float[] timesteps = [];
    float[] sigmas = [];
    float[] before = [];
    int order;
    int begin;
    int nextIndex;

    public IReadOnlyList<float> Timesteps => timesteps;

    public float InitNoiseSigma => 1;

    public ReadOnlySpan<float> PredX0 => history.Count > 0 ? history[^1] : [];

    public ReadOnlySpan<float> Sigmas => sigmas;

    public void SetTimesteps(int n)
    {
        begin = nextIndex = 0;
        (timesteps, sigmas) = table.Whole(n, config.NumTrainTimesteps);
    }

    public void BeginAt(int index) => begin = nextIndex = index;

    public void Step(int index, ReadOnlySpan<float> modelOutput, Span<float> sample, NormalSource? noise = null)
    {
        SchedulerMath.CheckStep(index, timesteps.Length, modelOutput.Length, sample.Length);
        SchedulerMath.TakeInOrder("UniPC", index, begin, ref nextIndex);
        if (index == begin)
            history.Clear();

        (double alpha, double sigma, _) = SigmaTable.At(sigmas[index]);
        float[] x0 = new float[sample.Length];
        for (int i = 0; i < x0.Length; i++)
            x0[i] = (float)SchedulerMath.Split(config.PredictionType, alpha, sigma, modelOutput[i], sample[i]).X0;
        if (index > begin && !config.DisableCorrector.Contains(index - 1))
            Update(index - 1, before, x0, order, sample);

        history.Add(x0);
        if (history.Count > config.SolverOrder)
            history.RemoveAt(0);
        int wanted = config.LowerOrderFinal ? Math.Min(config.SolverOrder, timesteps.Length - index) : config.SolverOrder;
        // A step to σ = 0 has h = ∞, where only first order has a limit.
        order = sigmas[index + 1] == 0 ? 1 : Math.Min(wanted, history.Count);
        before = sample.ToArray();
        Update(index, before, null, order, sample);
    }

    // From step `index` to the next: the predictor, or with the output `atEnd` there the corrector. `history` ends with the estimate at `index`.
    void Update(int index, float[] x, float[]? atEnd, int order, Span<float> result)
    {
        (_, double sigma, double lambda) = SigmaTable.At(sigmas[index]);
        (double alphaNext, double sigmaNext, double lambdaNext) = SigmaTable.At(sigmas[index + 1]);
        double h = lambdaNext - lambda, phi = Expm1(-h), scale = config.SolverType == SolverType.Bh1 ? -h : phi;
        double[] r = new double[order];
        float[][] estimates = new float[order][];
        for (int i = 1; i < order; i++)
        {
            r[i - 1] = (SigmaTable.At(sigmas[index - i]).Lambda - lambda) / h;
            estimates[i - 1] = history[^(i + 1)];
        }

        r[^1] = 1;
        estimates[^1] = atEnd ?? [];
        int terms = atEnd is null ? order - 1 : order;
        double[] rho = terms == 0 ? [] : (atEnd is null && order == 2) || order == 1 ? [0.5] : Solve(r[..terms], Moments(h, scale, terms));
        float[] m0 = history[^1];
        for (int i = 0; i < result.Length; i++)
        {
            double sum = 0;
            for (int k = 0; k < terms; k++)
                sum += rho[k] * (((double)estimates[k][i] - m0[i]) / r[k]);
            // B(h) may be infinite where there are no terms.
            double change = phi * m0[i] + (terms == 0 ? 0 : scale * sum);
            result[i] = (float)(sigmaNext / sigma * x[i] - alphaNext * change);
        }
    }

    // b_k = k! φ_(k+1)(−h) (−h)^k / B(h), by the recursion of φ.
    static double[] Moments(double h, double scale, int count)
    {
        double[] b = new double[count];
        double phi = Expm1(-h) / -h - 1, factorial = 1;
        for (int k = 0; k < count; k++)
        {
            b[k] = phi * factorial / scale;
            factorial *= k + 2;
            phi = phi / -h - 1 / factorial;
        }

        return b;
    }

    // R_ki = r_i^k, k = 0 …: Vandermonde, at most 3 × 3, by elimination with pivots.
    static double[] Solve(double[] r, double[] b)
    {
        int n = r.Length;
        double[,] m = new double[n, n + 1];
        for (int k = 0; k < n; k++)
        {
            for (int i = 0; i < n; i++)
                m[k, i] = Math.Pow(r[i], k);
            m[k, n] = b[k];
        }

        for (int c = 0; c < n; c++)
        {
            int pivot = Enumerable.Range(c, n - c).MaxBy(k => Math.Abs(m[k, c]));
            for (int j = 0; j <= n; j++)
                (m[c, j], m[pivot, j]) = (m[pivot, j], m[c, j]);
            for (int k = 0; k < n; k++)
            {
                double factor = k == c ? 0 : m[k, c] / m[c, c];
                for (int j = c; j <= n; j++)
                    m[k, j] -= factor * m[c, j];
            }
        }

        return [.. Enumerable.Range(0, n).Select(k => m[k, n] / m[k, k])];
    }

    // e^x − 1; .NET has none. Kahan's form keeps all digits near 0.
    static double Expm1(double x)
    {
        double u = Math.Exp(x);
        return u == 1 ? x : u - 1 == -1 ? -1 : (u - 1) * x / Math.Log(u);
    }
}
