namespace IlgpuDiffusion.Data.World;

/// SplitMix64 (Steele, Lea, Flood 2014): a 64-bit counter through a mixing function. Small, and the same numbers on every
/// machine and runtime, so that an identity seed written in a report means the same face for ever.
public sealed class WorldRandom(ulong seed)
{
    ulong state = seed;

    /// An independent stream of one seed: Mix(seed, 1), Mix(seed, 2) ... share no numbers.
    public static WorldRandom Stream(long seed, long stream) => new(Mix((ulong)seed ^ Mix((ulong)stream + 0x632BE59BD9B4E019UL)));

    public ulong Next() => Mix(state += 0x9E3779B97F4A7C15UL);

    /// Uniform in [0, 1), 24 bits.
    public float Uniform() => (Next() >> 40) * (1f / (1 << 24));

    /// Uniform in [low, high).
    public float Uniform(float low, float high) => low + (high - low) * Uniform();

    /// Uniform in 0 .. count-1 (count far below 2^32, so the bias of the modulus does not matter).
    public int Index(int count) => (int)((Next() >> 32) % (ulong)count);

    public bool Chance(float probability) => Uniform() < probability;

    public T Pick<T>(params ReadOnlySpan<T> choices) => choices[Index(choices.Length)];

    /// Index i with probability weights[i] / sum(weights).
    public int Weighted(params ReadOnlySpan<float> weights)
    {
        float total = 0;
        foreach (float w in weights) total += w;
        float u = Uniform() * total;
        for (int i = 0; i < weights.Length - 1; i++)
            if ((u -= weights[i]) < 0) return i;
        return weights.Length - 1;
    }

    /// Standard normal (Box–Muller, one of the pair).
    public float Normal() => MathF.Sqrt(-2 * MathF.Log(1 - Uniform())) * MathF.Cos(2 * MathF.PI * Uniform());

    static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return z ^ (z >> 31);
    }
}
