using System.Text;

namespace IlgpuDiffusion.Tensors.Rng;

/// A name as a number (FNV-1a, 64 bit): what gives each weight a stream of its own, so that adding one leaves the others as they were.
public static class NameHash
{
    public static ulong Of(string name)
    {
        ulong hash = 0xcbf29ce484222325;
        foreach (byte b in Encoding.UTF8.GetBytes(name))
            hash = (hash ^ b) * 0x100000001b3;
        return hash;
    }
}
