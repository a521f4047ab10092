namespace IlgpuDiffusion.Tensors.Rng;

/// Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): a bijection of the 128-bit counter for every
/// 64-bit key. No state, so any element of a stream is there at once, in any order, on any device.
public static class Philox4x32
{
    const int Rounds = 10;
    const uint M0 = 0xD2511F53;
    const uint M1 = 0xCD9E8D57;
    // Weyl steps of the key: the golden ratio and sqrt(3) - 1.
    const uint W0 = 0x9E3779B9;
    const uint W1 = 0xBB67AE85;

    /// Four 32-bit words for a counter and a key, lowest word first.
    public static (uint X0, uint X1, uint X2, uint X3) Words(uint c0, uint c1, uint c2, uint c3, uint k0, uint k1)
    {
        for (int round = 0; round < Rounds; round++)
        {
            ulong p0 = (ulong)M0 * c0;
            ulong p1 = (ulong)M1 * c2;
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
            k0 += W0;
            k1 += W1;
        }

        return (c0, c1, c2, c3);
    }
}
