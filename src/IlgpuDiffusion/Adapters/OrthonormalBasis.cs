namespace IlgpuDiffusion.Adapters;

/// The Q factor of X = QR with R's diagonal positive, which is unique: modified Gram-Schmidt, each column against all before it twice
/// ("twice is enough", Giraud et al. 2005), in double.
public static class OrthonormalBasis
{
    /// x: (n, k) row by row, n ≥ k, of full rank   returns Q (n, k)
    public static double[] Columns(ReadOnlySpan<double> x, int n, int k)
    {
        if (n < k)
            throw new ArgumentException($"{k} orthonormal columns need at least as many rows, not {n}");
        double[] q = x.ToArray();
        for (int j = 0; j < k; j++)
        {
            for (int pass = 0; pass < 2; pass++)
            {
                for (int before = 0; before < j; before++)
                    Subtract(q, n, k, j, before, Dot(q, n, k, j, before));
            }

            double norm = Math.Sqrt(Dot(q, n, k, j, j));
            if (norm < 1e-300)
                throw new ArgumentException($"column {j} depends on those before it");
            for (int i = 0; i < n; i++)
                q[(i * k) + j] /= norm;
        }

        return q;
    }

    static double Dot(double[] q, int n, int k, int a, int b)
    {
        double sum = 0;
        for (int i = 0; i < n; i++)
            sum += q[(i * k) + a] * q[(i * k) + b];
        return sum;
    }

    static void Subtract(double[] q, int n, int k, int from, int what, double factor)
    {
        for (int i = 0; i < n; i++)
            q[(i * k) + from] -= factor * q[(i * k) + what];
    }
}
