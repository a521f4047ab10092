namespace IlgpuDiffusion.Adapters;

/// Singular value decomposition X = U·diag(S)·Vᵀ by one-sided Jacobi rotations (Hestenes 1958): columns are turned in pairs until all are orthogonal. In double and in
/// one fixed order, so it has the same bits on every machine; each vector's largest element is made positive in V.
public sealed class Svd
{
    const int MostSweeps = 60;
    const double Orthogonal = 1e-14;

    readonly double[][] left, right;
    readonly bool transposed;

    Svd(double[][] left, double[] values, double[][] right, bool transposed)
    {
        this.left = left;
        this.right = right;
        this.transposed = transposed;
        Values = values;
    }

    /// min(rows, columns) of them, descending.
    public IReadOnlyList<double> Values { get; }

    /// x: (rows, columns), row by row
    public static Svd Of(ReadOnlySpan<float> x, int rows, int columns)
    {
        if (x.Length != (long)rows * columns)
            throw new ArgumentException($"{x.Length} values for a ({rows}, {columns}) matrix");
        bool transposed = rows < columns;
        (int m, int n) = transposed ? (columns, rows) : (rows, columns);
        double[][] u = new double[n][], v = new double[n][];
        for (int j = 0; j < n; j++)
        {
            u[j] = new double[m];
            v[j] = new double[n];
            v[j][j] = 1;
            for (int i = 0; i < m; i++)
                u[j][i] = transposed ? x[(j * columns) + i] : x[(i * columns) + j];
        }

        for (int sweep = 0; sweep < MostSweeps && Sweep(u, v); sweep++)
        {
        }

        double[] values = [.. u.Select(column => Math.Sqrt(Dot(column, column)))];
        int[] order = [.. Enumerable.Range(0, n).OrderByDescending(j => values[j]).ThenBy(j => j)];
        foreach (int j in order)
        {
            double sign = v[j].MaxBy(Math.Abs) < 0 ? -1 : 1, scale = values[j] > 0 ? sign / values[j] : 0;
            u[j] = Array.ConvertAll(u[j], e => e * scale);
            v[j] = Array.ConvertAll(v[j], e => e * sign);
        }

        return new Svd([.. order.Select(j => u[j])], [.. order.Select(j => values[j])], [.. order.Select(j => v[j])], transposed);
    }

    /// The first `count` left singular vectors as columns, (rows, count); those of singular value 0 are zero. At most min(rows, columns).
    public float[] Left(int count) => Columns(transposed ? right : left, count);

    /// The first `count` right singular vectors as columns, (columns, count).
    public float[] Right(int count) => Columns(transposed ? left : right, count);

    // Columns beyond those there are stay zero.
    static float[] Columns(double[][] vectors, int count)
    {
        int rows = vectors[0].Length;
        float[] result = new float[rows * count];
        for (int j = 0; j < Math.Min(count, vectors.Length); j++)
        {
            for (int i = 0; i < rows; i++)
                result[(i * count) + j] = (float)vectors[j][i];
        }

        return result;
    }

    // Whether any pair was turned.
    static bool Sweep(double[][] u, double[][] v)
    {
        bool turned = false;
        for (int p = 0; p < u.Length - 1; p++)
        {
            for (int q = p + 1; q < u.Length; q++)
            {
                double a = Dot(u[p], u[p]), b = Dot(u[q], u[q]), c = Dot(u[p], u[q]);
                if (Math.Abs(c) <= Orthogonal * Math.Sqrt(a * b) || c == 0)
                    continue;
                turned = true;
                double zeta = (b - a) / (2 * c), t = (zeta >= 0 ? 1 : -1) / (Math.Abs(zeta) + Math.Sqrt(1 + (zeta * zeta)));
                double cos = 1 / Math.Sqrt(1 + (t * t)), sin = cos * t;
                Turn(u[p], u[q], cos, sin);
                Turn(v[p], v[q], cos, sin);
            }
        }

        return turned;
    }

    static void Turn(double[] p, double[] q, double cos, double sin)
    {
        for (int i = 0; i < p.Length; i++)
            (p[i], q[i]) = ((cos * p[i]) - (sin * q[i]), (sin * p[i]) + (cos * q[i]));
    }

    static double Dot(double[] a, double[] b)
    {
        double sum = 0;
        for (int i = 0; i < a.Length; i++)
            sum += a[i] * b[i];
        return sum;
    }
}
