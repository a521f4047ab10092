namespace IlgpuDiffusion.Tensors.Rng;

/// torch's CPU generator: the same seed gives the same numbers as `torch.Generator().manual_seed(seed)`, so the same picture as in diffusers.
/// Integers and uniforms are bit-exact; normals of 16 elements and more differ from torch's vectorised kernels by a few units in
/// the last place (3e-6 at most), as torch differs from itself between processors.
public sealed class TorchGenerator(ulong seed)
{
    const double TwoPi = 2 * Math.PI;
    const int BlockSize = 16;

    // torch looks at the low 32 bits of the seed only.
    readonly Mt19937 engine = new((uint)seed);

    // Second value of the last small Box-Muller pair. It outlives large calls, which do not use it.
    double? spareNormal;

    public uint NextUInt32() => engine.Next();

    /// Two draws, the first is the high word.
    public ulong NextUInt64()
    {
        ulong high = engine.Next();
        return (high << 32) | engine.Next();
    }

    /// torch.rand, float32: [0, 1) in steps of 2^-24.
    public void Rand(Span<float> destination)
    {
        foreach (ref float value in destination)
            value = (engine.Next() & 0xFFFFFF) * (1f / (1 << 24));
    }

    /// torch.rand, float64: [0, 1) in steps of 2^-53.
    public void Rand(Span<double> destination)
    {
        foreach (ref double value in destination)
            value = Uniform53();
    }

    /// torch.randint(low, high), high excluded: draw modulo range, with the 64-bit draw from a range of 2^28 on.
    public void RandInt(Span<long> destination, long low, long high)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(high, low);
        ulong range = (ulong)high - (ulong)low;
        foreach (ref long value in destination)
            value = low + (long)((range >= 1 << 28 ? NextUInt64() : NextUInt32()) % range);
    }

    /// torch.randperm(n).
    public long[] RandPerm(int n)
    {
        long[] order = new long[n];
        for (int i = 0; i < n; i++)
            order[i] = i;
        for (int i = 0; i < n - 1; i++)
        {
            int j = i + (int)(NextUInt32() % (uint)(n - i));
            (order[i], order[j]) = (order[j], order[i]);
        }

        return order;
    }

    /// torch.randn, float32. Below 16 elements: pairs in double. From 16 on: uniforms, transformed in place in blocks of 16; a tail that is no
    /// whole block makes the last 16 be drawn again.
    public void Randn(Span<float> destination) => Randn(destination, uniforms: destination.Length);

    /// torch.randn of float16 or bfloat16, before the rounding to that type. As for float32, but the tail is not drawn the first time.
    public void RandnHalf(Span<float> destination) => Randn(destination, uniforms: destination.Length / BlockSize * BlockSize);

    /// torch.randn, float64.
    public void Randn(Span<double> destination)
    {
        if (destination.Length < BlockSize)
        {
            foreach (ref double value in destination)
                value = SmallNormal();
            return;
        }

        Rand(destination);
        for (int i = 0; i + BlockSize <= destination.Length; i += BlockSize)
            Transform(destination.Slice(i, BlockSize));
        if (destination.Length % BlockSize != 0)
        {
            Rand(destination[^BlockSize..]);
            Transform(destination[^BlockSize..]);
        }
    }

    void Randn(Span<float> destination, int uniforms)
    {
        if (destination.Length < BlockSize)
        {
            foreach (ref float value in destination)
                value = (float)SmallNormal();
            return;
        }

        Rand(destination[..uniforms]);
        for (int i = 0; i + BlockSize <= destination.Length; i += BlockSize)
            Transform(destination.Slice(i, BlockSize));
        if (destination.Length % BlockSize != 0)
        {
            Rand(destination[^BlockSize..]);
            Transform(destination[^BlockSize..]);
        }
    }

    double SmallNormal()
    {
        if (spareNormal is double spare)
        {
            spareNormal = null;
            return spare;
        }

        double theta = TwoPi * Uniform53();
        double r = Math.Sqrt(-2 * double.LogP1(-Uniform53()));
        spareNormal = r * Math.Sin(theta);
        return r * Math.Cos(theta);
    }

    /// Box-Muller on 8 pairs (j, j + 8). The angle is rounded to float before the sine is taken: torch does so, and near a zero of the sine
    /// that rounding is most of the value.
    static void Transform(Span<float> block)
    {
        for (int j = 0; j < BlockSize / 2; j++)
        {
            float r = MathF.Sqrt(-2 * MathF.Log(1 - block[j]));
            float theta = (float)TwoPi * block[j + 8];
            block[j] = r * MathF.Cos(theta);
            block[j + 8] = r * MathF.Sin(theta);
        }
    }

    static void Transform(Span<double> block)
    {
        for (int j = 0; j < BlockSize / 2; j++)
        {
            double r = Math.Sqrt(-2 * Math.Log(1 - block[j]));
            double theta = TwoPi * block[j + 8];
            block[j] = r * Math.Cos(theta);
            block[j + 8] = r * Math.Sin(theta);
        }
    }

    double Uniform53() => (NextUInt64() & ((1UL << 53) - 1)) * (1.0 / (1L << 53));
}
