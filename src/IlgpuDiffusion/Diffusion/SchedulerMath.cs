namespace IlgpuDiffusion.Diffusion;

/// What the schedulers share: the choice of timesteps and the split of a prediction into x₀ and ε.
static class SchedulerMath
{
    /// n of T trained timesteps, descending. linspace: both ends included; leading: multiples of T div n, plus the offset;
    /// trailing: T, T − T/n, … less one. Ties round to even.
    public static int[] SpacedTimesteps(TimestepSpacing spacing, int trained, int n, int offset)
    {
        if (n < 1 || n > trained)
            throw new IlgdException($"{n} inference steps asked for; the model was trained with {trained} timesteps, so use 1 to {trained}");
        var timesteps = new int[n];
        // numpy's arange multiplies by the step as it is after one rounded addition; ties at .5 depend on it.
        double back = trained - trained / (double)n - trained;
        for (int i = 0; i < n; i++)
        {
            timesteps[i] = spacing switch
            {
                TimestepSpacing.Linspace => (int)Math.Round(n == 1 ? 0 : (n - 1 - i) * ((trained - 1.0) / (n - 1))),
                TimestepSpacing.Leading => (n - 1 - i) * (trained / n) + offset,
                _ => (int)Math.Round(trained + i * back) - 1,
            };
        }
        if (timesteps[0] >= trained)
            throw new IlgdException(
                $"{n} inference steps with steps_offset {offset} start at timestep {timesteps[0]}, beyond the last of {trained}; use fewer steps");
        return timesteps;
    }

    /// x₀ and ε from the model's output m at x = α x₀ + σ ε.
    public static (double X0, double Epsilon) Split(PredictionType type, double alpha, double sigma, double m, double x) => type switch
    {
        PredictionType.Epsilon => ((x - sigma * m) / alpha, m),
        PredictionType.V => (alpha * x - sigma * m, alpha * m + sigma * x),
        _ => (m, (x - alpha * m) / sigma),
    };

    /// x₀ from the model's output m at x = x₀ + σ ε, the form without falling signal: the network saw x / √(σ² + 1).
    public static double X0AtSigma(PredictionType type, double sigma, double m, double x) => type switch
    {
        PredictionType.Epsilon => x - sigma * m,
        PredictionType.V => (x - sigma * Math.Sqrt(sigma * sigma + 1) * m) / (sigma * sigma + 1),
        _ => m,
    };

    /// What the network sees of x = x₀ + σ ε: x / √(σ² + 1), which has the variance it was trained with.
    public static void ScaleAtSigma(float sigma, Span<float> sample)
    {
        double scale = 1 / Math.Sqrt((double)sigma * sigma + 1);
        for (int i = 0; i < sample.Length; i++)
            sample[i] = (float)(sample[i] * scale);
    }

    /// Refuses a step outside the table and spans of different length.
    public static void CheckStep(int index, int count, int modelOutput, int sample)
    {
        if (index < 0 || index >= count)
            throw new IlgdException($"scheduler step {index} is outside 0 to {count - 1}; call SetTimesteps with the number of steps first");
        if (modelOutput != sample)
            throw new IlgdException($"scheduler step {index}: model output has {modelOutput} values, the sample has {sample}");
    }

    /// Refuses a step that does not follow the one before, for samplers that remember; step `begin` begins anew.
    public static void TakeInOrder(string scheduler, int index, int begin, ref int next)
    {
        if (index != begin && index != next)
            throw new IlgdException($"{scheduler} step {index} does not follow step {next - 1}; a multistep method takes its steps in order");
        next = index + 1;
    }

    /// One standard normal draw per value of a sample.
    public static float[] Draw(NormalSource? noise, int length, string scheduler)
    {
        if (noise is null)
            throw new IlgdException($"{scheduler} adds noise at every step; give it a source of normal draws");
        var draws = new float[length];
        noise(draws);
        return draws;
    }
}
