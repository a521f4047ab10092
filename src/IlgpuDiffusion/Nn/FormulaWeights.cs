using System.Text;

namespace IlgpuDiffusion.Nn;

/// Weights from a formula: every element a function of the parameter's name, its shape and the element's index, so that a network of any size can be made
/// anywhere, with the same bits, and be checked or timed without a checkpoint. Layers keep the variance of what goes through them.
public static class FormulaWeights
{
    static readonly string[] Embeddings =
        ["token_embedding.weight", "position_embedding.weight", "class_embedding", "cls_token", "position_embeddings"];

    /// Row-major values of parameter `name` (its published key) of shape `shape`; s = sqrt(3 / fan_in) · gain, fan_in = product of shape[1..].
    public static void Fill(string name, ReadOnlySpan<int> shape, string prefix, string salt, double gain, Span<float> destination)
    {
        ulong h = Hash(salt + prefix + name);
        (double scale, double offset) = ScaleAndOffset(name, shape, gain);
        for (int i = 0; i < destination.Length; i++)
            destination[i] = (float)(TwoUMinus1(h, i) * scale + offset);
    }

    /// With the fixtures' usual empty salt and gain 1.
    public static float[] Make(string name, int[] shape, string prefix = "", double gain = 1)
    {
        float[] values = new float[shape.Aggregate(1, (a, b) => a * b)];
        Fill(name, shape, prefix, "", gain, values);
        return values;
    }

    /// FNV-1a, 64 bit, over the UTF-8 bytes.
    public static ulong Hash(string text)
    {
        ulong h = 0xCBF29CE484222325;
        foreach (byte b in Encoding.UTF8.GetBytes(text))
            h = (h ^ b) * 0x100000001B3;
        return h;
    }

    /// t = 2u - 1 of element i (SplitMix64 from state h, top 24 bits).
    public static double TwoUMinus1(ulong h, long i)
    {
        ulong z = h + (ulong)(i + 1) * 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        z ^= z >> 31;
        return 2 * ((z >> 40) * (1.0 / (1 << 24))) - 1;
    }

    static (double Scale, double Offset) ScaleAndOffset(string name, ReadOnlySpan<int> shape, double gain)
    {
        if (Embeddings.Any(e => name.EndsWith(e, StringComparison.Ordinal)))
            return (0.02 * Math.Sqrt(3.0), 0);
        if (name.EndsWith("logit_scale", StringComparison.Ordinal))
            return (0, 2.6592);
        if (name.EndsWith("running_var", StringComparison.Ordinal))
            return (0.1, 1);
        if (shape.Length >= 2)
        {
            double fanIn = 1;
            foreach (int d in shape[1..])
                fanIn *= d;
            return (Math.Sqrt(3.0 / fanIn) * gain, 0);
        }

        return name.EndsWith(".weight", StringComparison.Ordinal) ? (0.1, 1) : (0.02, 0);
    }
}
