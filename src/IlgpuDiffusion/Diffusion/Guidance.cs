namespace IlgpuDiffusion.Diffusion;

/// Classifier-free guidance (Ho and Salimans 2022).
public static class Guidance
{
    /// ε = ε(∅) + w (ε(text) − ε(∅)), then set back towards ε(text)'s spread by φ = `rescale` (Lin et al. 2023, section 3.4), one picture at a time.
    /// `both`: N pictures without text, then the same with   returns those of N
    public static float[] Apply(ReadOnlySpan<float> both, int pictures, float scale, float rescale = 0)
    {
        int n = both.Length / 2, each = n / pictures;
        float[] guided = new float[n];
        for (int i = 0; i < n; i++)
            guided[i] = both[i] + (scale * (both[n + i] - both[i]));
        for (int start = 0; rescale > 0 && start < n; start += each)
        {
            Span<float> one = guided.AsSpan(start, each);
            double factor = (rescale * StandardDeviation(both.Slice(n + start, each)) / StandardDeviation(one)) + (1 - rescale);
            for (int i = 0; i < each; i++)
                one[i] = (float)(one[i] * factor);
        }

        return guided;
    }

    static double StandardDeviation(ReadOnlySpan<float> values)
    {
        double sum = 0, squares = 0;
        foreach (float v in values)
            sum += v;
        double mean = sum / values.Length;
        foreach (float v in values)
            squares += (v - mean) * (v - mean);
        return Math.Sqrt(squares / (values.Length - 1));
    }
}
