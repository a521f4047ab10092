using System.Text;
using IlgpuDiffusion.Tensors.Rng;

namespace IlgpuDiffusion.Adapters;

/// Random numbers and orthonormal bases named by (seed, name), the same bits on every machine: Philox, Box-Muller and Gram-Schmidt, all in double
/// with no library in between.
public static class RandomBasis
{
    const uint Stream = 0x42415349;   // "BASI"

    /// `count` normal numbers of a standard deviation.
    public static float[] Gaussian(ulong seed, string name, int count, float deviation = 1)
    {
        float[] values = new float[count];
        new RngStream(seed, Stream, Hash(name)).FillNormal(values);
        for (int i = 0; i < count; i++)
            values[i] *= deviation;
        return values;
    }

    /// (n, k) with orthonormal columns: the Q factor of a Gaussian matrix, the diagonal of R positive.
    public static float[] Columns(ulong seed, string name, int n, int k)
    {
        double[] q = OrthonormalBasis.Columns(Array.ConvertAll(Gaussian(seed, name, n * k), x => (double)x), n, k);
        return Array.ConvertAll(q, x => (float)x);
    }

    /// (k, n) with orthonormal rows.
    public static float[] Rows(ulong seed, string name, int k, int n)
    {
        float[] columns = Columns(seed, name, n, k), rows = new float[k * n];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < k; j++)
                rows[(j * n) + i] = columns[(i * k) + j];
        }

        return rows;
    }

    // FNV-1a, 64 bit.
    static ulong Hash(string name)
    {
        ulong h = 0xCBF29CE484222325;
        foreach (byte b in Encoding.UTF8.GetBytes(name))
            h = (h ^ b) * 0x100000001B3;
        return h;
    }
}
