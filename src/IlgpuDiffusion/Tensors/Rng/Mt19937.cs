namespace IlgpuDiffusion.Tensors.Rng;

/// Mersenne twister MT19937 (Matsumoto and Nishimura 1998), seeded by one 32-bit word as torch does.
sealed class Mt19937
{
    const int N = 624;
    const int M = 397;
    readonly uint[] state = new uint[N];
    int next = N;

    public Mt19937(uint seed)
    {
        state[0] = seed;
        for (int i = 1; i < N; i++)
            state[i] = 1812433253 * (state[i - 1] ^ (state[i - 1] >> 30)) + (uint)i;
    }

    public uint Next()
    {
        if (next == N)
            Twist();
        uint y = state[next++];
        y ^= y >> 11;
        y ^= (y << 7) & 0x9D2C5680;
        y ^= (y << 15) & 0xEFC60000;
        return y ^ (y >> 18);
    }

    void Twist()
    {
        for (int i = 0; i < N; i++)
        {
            uint y = (state[i] & 0x80000000) | (state[(i + 1) % N] & 0x7FFFFFFF);
            state[i] = state[(i + M) % N] ^ (y >> 1) ^ ((y & 1) * 0x9908B0DF);
        }

        next = 0;
    }
}
