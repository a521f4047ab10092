namespace IlgpuDiffusion.Tensors.Rng;

/// An endless sequence named by (seed, stream, step); element i depends on nothing else, so the values are the same in whatever
/// order, batch split or number of threads they are asked for.
/// Key = seed; counter = (i / 4, stream, step low, step high), one word per uniform, two per pair of normals.
public readonly record struct RngStream(ulong Seed, uint Stream, ulong Step)
{
    /// The largest index: 2^32 counters of 4 words.
    public const long MaxIndex = (4L << 32) - 1;

    /// Uniform in [0, 1), a multiple of 2^-24.
    public float Uniform(long index) => (Word(index) >> 8) * (1f / (1 << 24));

    /// Uniform in low..high-1 (a bias of at most (high - low) / 2^32 is accepted).
    public int Integer(long index, int low, int high)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(high, low);
        return (int)(low + (long)((ulong)Word(index) * (ulong)((long)high - low) >> 32));
    }

    /// Standard normal.
    public float Normal(long index)
    {
        (float even, float odd) = NormalPair(index >> 1);
        return (index & 1) == 0 ? even : odd;
    }

    /// Elements first, first + 1, ...
    public void FillUniform(Span<float> destination, long first = 0)
    {
        for (int i = 0; i < destination.Length; i++)
            destination[i] = Uniform(first + i);
    }

    /// Elements first, first + 1, ...
    public void FillNormal(Span<float> destination, long first = 0)
    {
        int i = 0;
        if ((first & 1) != 0 && destination.Length > 0)
            destination[i++] = Normal(first);
        for (; i + 1 < destination.Length; i += 2)
            (destination[i], destination[i + 1]) = NormalPair((first + i) >> 1);
        if (i < destination.Length)
            destination[i] = Normal(first + i);
    }

    /// A permutation of 0..n-1 (Fisher-Yates over this stream's integers).
    public int[] Permutation(int n)
    {
        int[] order = new int[n];
        for (int i = 0; i < n; i++)
        {
            int j = Integer(i, 0, i + 1);
            order[i] = order[j];
            order[j] = i;
        }

        return order;
    }

    /// Box-Muller: r = sqrt(-2 ln u), (r cos 2πv, r sin 2πv), with u = (word + 1) / 2^32 in (0, 1] and v = word / 2^32. In double: the result
    /// then depends on no vector library's float sine.
    (float Even, float Odd) NormalPair(long pair)
    {
        (uint x0, uint x1, uint x2, uint x3) = Block(pair >> 1);
        (uint a, uint b) = (pair & 1) == 0 ? (x0, x1) : (x2, x3);
        double r = Math.Sqrt(-2 * Math.Log((a + 1.0) * (1.0 / (1L << 32))));
        (double sin, double cos) = Math.SinCos(b * (2 * Math.PI / (1L << 32)));
        return ((float)(r * cos), (float)(r * sin));
    }

    uint Word(long index)
    {
        (uint x0, uint x1, uint x2, uint x3) = Block(index >> 2);
        return (index & 3) switch { 0 => x0, 1 => x1, 2 => x2, _ => x3 };
    }

    (uint X0, uint X1, uint X2, uint X3) Block(long block)
    {
        if (block is < 0 or > uint.MaxValue)
            throw new ArgumentOutOfRangeException(nameof(block), $"random index beyond {MaxIndex}: use another stream or step");
        return Philox4x32.Words((uint)block, Stream, (uint)Step, (uint)(Step >> 32), (uint)Seed, (uint)(Seed >> 32));
    }
}
