namespace IlgpuDiffusion.Diffusion;

/// Pseudo numerical methods (Liu et al. 2022): linear multistep combinations of the last four outputs (PLMS, eq. 12), each followed by the transfer of eq. 11
/// from t to t',
///
///     x' = √(ᾱ'/ᾱ) x − (ᾱ' − ᾱ) ε / (ᾱ √(1 − ᾱ') + √(ᾱ (1 − ᾱ) ᾱ'))
///
/// The start has too little history: three pseudo Runge-Kutta steps of four calls each (PRK, eq. 13), or, with `skip_prk_steps` as Stable Diffusion has it,
/// one step taken twice, the second time with the mean of both outputs. The combination is of the network's outputs, v where it predicts v.
public sealed class PndmScheduler : IScheduler
{
    const int Order = 4;

    readonly SchedulerConfig config;
    readonly NoiseSchedule schedule;
    readonly List<float[]> history = [];
    float[] timesteps = [];
    float[] start = [];
    float[] sum = [];
    float[] predX0 = [];
    int steps;
    int rungeKutta;
    int begin;
    int nextIndex;

    public PndmScheduler(SchedulerConfig config)
    {
        if (config.PredictionType == PredictionType.Sample)
            throw new IlgdException("the PNDM scheduler takes models that predict epsilon or v, not the sample: use another with --scheduler");
        this.config = config;
        schedule = new NoiseSchedule(config);
    }

    public IReadOnlyList<float> Timesteps => timesteps;

    public float InitNoiseSigma => 1;

    public ReadOnlySpan<float> PredX0 => predX0;

    public void SetTimesteps(int n)
    {
        int[] ascending = SchedulerMath.SpacedTimesteps(config.TimestepSpacing ?? TimestepSpacing.Leading, schedule.Count, n, config.StepsOffset);
        Array.Reverse(ascending);
        begin = nextIndex = 0;
        steps = n;
        int[] walk;
        if (config.SkipPrkSteps)
        {
            rungeKutta = 0;
            walk = n == 1 ? ascending : [.. ascending[..^1], ascending[^2], ascending[^1]];
        }
        else
        {
            if (n < Order)
                throw new IlgdException($"{n} inference steps asked for; PNDM with Runge-Kutta steps (skip_prk_steps false) takes at least {Order}");
            rungeKutta = 4 * (Order - 1);
            int half = schedule.Count / n / 2;
            int[] halves = [.. ascending[^Order..].SelectMany(t => (int[])[t, t + half])];
            walk = [.. ascending[..^(Order - 1)], .. halves[..^1].SelectMany(t => (int[])[t, t]).Skip(1).SkipLast(1)];
        }

        Array.Reverse(walk);
        timesteps = Array.ConvertAll(walk, t => (float)t);
    }

    /// As the library: the first step is taken twice wherever sampling begins, though beyond the start the table does not name it twice. Errors: inside the Runge-Kutta steps.
    public void BeginAt(int index)
    {
        if (index > 0 && rungeKutta > 0)
            throw new IlgdException("the PNDM scheduler with Runge-Kutta steps (skip_prk_steps false) begins at its first step: use another with --scheduler");
        begin = nextIndex = index;
    }

    public void Step(int index, ReadOnlySpan<float> modelOutput, Span<float> sample, NormalSource? noise = null)
    {
        SchedulerMath.CheckStep(index, timesteps.Length, modelOutput.Length, sample.Length);
        SchedulerMath.TakeInOrder("PNDM", index, begin, ref nextIndex);
        if (index == begin)
            history.Clear();
        Array.Resize(ref predX0, sample.Length);
        if (index < rungeKutta)
            RungeKutta(index, modelOutput, sample);
        else
            Multistep(index, modelOutput, sample);
    }

    // The weights 1/6, 1/3, 1/3, 1/6 of the classic method; every call starts from where the step started.
    void RungeKutta(int index, ReadOnlySpan<float> modelOutput, Span<float> sample)
    {
        int stage = index % 4, step = schedule.Count / steps;
        int from = (int)timesteps[index - stage], to = (int)timesteps[index] - (stage % 2 == 1 ? 0 : step / 2);
        if (stage == 0)
        {
            Remember(modelOutput);
            start = sample.ToArray();
            sum = new float[sample.Length];
        }

        double weight = stage is 0 or 3 ? 1.0 / 6 : 1.0 / 3;
        float[] output = modelOutput.ToArray();
        for (int i = 0; i < output.Length; i++)
        {
            sum[i] += (float)(weight * output[i]);
            if (stage == 3)
                output[i] = sum[i];
        }

        Transfer(start, output, from, to, sample);
    }

    // Adams-Bashforth of the order that history allows.
    void Multistep(int index, ReadOnlySpan<float> modelOutput, Span<float> sample)
    {
        int step = schedule.Count / steps, from = (int)timesteps[index], to = from - step;
        float[] output = modelOutput.ToArray();
        if (index == begin + 1 && rungeKutta == 0)
        {
            (from, to) = (from + step, from);
            for (int i = 0; i < output.Length; i++)
                output[i] = (output[i] + history[^1][i]) / 2;
        }
        else
        {
            Remember(modelOutput);
            if (index == begin)
                start = sample.ToArray();
            double[] weights = history.Count switch
            {
                1 => [1],
                2 => [3.0 / 2, -1.0 / 2],
                3 => [23.0 / 12, -16.0 / 12, 5.0 / 12],
                _ => [55.0 / 24, -59.0 / 24, 37.0 / 24, -9.0 / 24],
            };
            for (int i = 0; i < output.Length; i++)
            {
                double combined = 0;
                for (int k = 0; k < weights.Length; k++)
                    combined += weights[k] * history[^(k + 1)][i];
                output[i] = (float)combined;
            }
        }

        Transfer(index == begin + 1 && rungeKutta == 0 ? start : sample.ToArray(), output, from, to, sample);
    }

    void Remember(ReadOnlySpan<float> modelOutput)
    {
        history.Add(modelOutput.ToArray());
        if (history.Count > Order)
            history.RemoveAt(0);
    }

    void Transfer(float[] x, float[] output, int from, int to, Span<float> result)
    {
        double alphaBar = schedule.AlphasCumprod[from];
        double alphaBarNext = to >= 0 ? schedule.AlphasCumprod[to] : config.SetAlphaToOne ?? false ? 1 : schedule.AlphasCumprod[0];
        (double alpha, double sigma) = schedule.AlphaSigma(from);
        double scale = Math.Sqrt(alphaBarNext / alphaBar);
        double weight = (alphaBarNext - alphaBar) / (alphaBar * Math.Sqrt(1 - alphaBarNext) + Math.Sqrt(alphaBar * (1 - alphaBar) * alphaBarNext));
        for (int i = 0; i < result.Length; i++)
        {
            (double x0, double epsilon) = SchedulerMath.Split(config.PredictionType, alpha, sigma, output[i], x[i]);
            predX0[i] = (float)x0;
            result[i] = (float)(scale * x[i] - weight * epsilon);
        }
    }
}
