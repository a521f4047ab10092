using IlgpuDiffusion.Tensors.Rng;

namespace IlgpuDiffusion.Adapters;

/// Random matrices that are a function of a seed and a name alone, with the same bits whoever makes them, in whatever order.
public static class RandomBasis
{
    /// `count` normal numbers of the given standard deviation.
    public static float[] Gaussian(ulong seed, string name, int count, float deviation = 1)
    {
        ulong hash = NameHash.Of(name);
        float[] values = new float[count];
        new RngStream(seed, (uint)hash, hash >> 32).FillNormal(values);
        for (int i = 0; i < count; i++)
            values[i] *= deviation;
        return values;
    }

    /// (rows, columns) with orthonormal columns, uniformly distributed: the Q of a Gaussian matrix.
    public static float[] Columns(ulong seed, string name, int rows, int columns) =>
        OrthonormalBasis.Factor(Gaussian(seed, name, checked(rows * columns)), rows, columns).Q;

    /// (rows, columns) with orthonormal rows.
    public static float[] Rows(ulong seed, string name, int rows, int columns)
    {
        float[] transposed = Columns(seed, name, columns, rows);
        float[] values = new float[transposed.Length];
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
                values[i * columns + j] = transposed[j * rows + i];
        }

        return values;
    }
}
