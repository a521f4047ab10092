namespace IlgpuDiffusion.Adapters;

/// QR decomposition X = Q R with diag(R) &gt; 0, which makes it unique: modified Gram-Schmidt, each column orthogonalised twice
/// ("twice is enough", Giraud et al. 2005), in double and in one fixed order, so that a basis has the same bits on every machine.
public static class OrthonormalBasis
{
    // A column that keeps less than this of its length is a combination of the earlier ones.
    const double Dependent = 1e-10;

    /// x (rows, columns), rows ≥ columns   returns q (rows, columns) with orthonormal columns and r (columns, columns), upper triangular.
    public static (float[] Q, float[] R) Factor(ReadOnlySpan<float> x, int rows, int columns)
    {
        if (rows < columns)
            throw new IlgdException($"QR of a ({rows}, {columns}) matrix: it has more columns than rows, at most {rows} can be orthonormal");
        if (x.Length != (long)rows * columns)
            throw new ArgumentException($"{x.Length} values for a ({rows}, {columns}) matrix");
        double[][] q = new double[columns][];
        float[] r = new float[columns * columns];
        for (int j = 0; j < columns; j++)
        {
            double[] v = new double[rows];
            for (int i = 0; i < rows; i++)
                v[i] = x[i * columns + j];
            double length = Math.Sqrt(Dot(v, v));
            double[] overlaps = new double[j];
            for (int pass = 0; pass < 2; pass++)
            {
                for (int i = 0; i < j; i++)
                {
                    double overlap = Dot(q[i], v);
                    overlaps[i] += overlap;
                    Subtract(v, overlap, q[i]);
                }
            }

            double left = Math.Sqrt(Dot(v, v));
            if (!(left > Dependent * length))
                throw new IlgdException($"QR of a ({rows}, {columns}) matrix: column {j} depends on the columns before it");
            for (int i = 0; i < rows; i++)
                v[i] /= left;
            q[j] = v;
            for (int i = 0; i < j; i++)
                r[i * columns + j] = (float)overlaps[i];
            r[j * columns + j] = (float)left;
        }

        float[] result = new float[rows * columns];
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
                result[i * columns + j] = (float)q[j][i];
        }

        return (result, r);
    }

    /// x (rows, columns) made orthonormal, column by column; one that is zero or depends on those before it becomes the first unit vector that does not.
    public static float[] Completed(ReadOnlySpan<float> x, int rows, int columns)
    {
        if (rows < columns)
            throw new IlgdException($"a basis of {columns} vectors of {rows} numbers: at most {rows} can be orthonormal");
        List<double[]> q = [];
        int unit = 0;
        for (int j = 0; j < columns; j++)
        {
            double[] v = new double[rows];
            for (int i = 0; i < rows; i++)
                v[i] = x[(i * columns) + j];
            while (!Orthogonalise(v, q))
            {
                v = new double[rows];
                v[unit++] = 1;
            }

            q.Add(v);
        }

        float[] result = new float[rows * columns];
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
                result[(i * columns) + j] = (float)q[j][i];
        }

        return result;
    }

    /// (rows, columns) as (columns, rows).
    public static float[] Rows(ReadOnlySpan<float> x, int rows, int columns)
    {
        float[] result = new float[x.Length];
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
                result[(j * rows) + i] = x[(i * columns) + j];
        }

        return result;
    }

    // What is left of v beside q, at length 1; false if that is next to nothing: 1e-5 of it is rounding of a float32 input.
    static bool Orthogonalise(double[] v, List<double[]> q)
    {
        double length = Math.Sqrt(Dot(v, v));
        for (int pass = 0; pass < 2; pass++)
        {
            foreach (double[] other in q)
                Subtract(v, Dot(other, v), other);
        }

        double left = Math.Sqrt(Dot(v, v));
        if (!(left > 1e-5 * length))
            return false;
        for (int i = 0; i < v.Length; i++)
            v[i] /= left;
        return true;
    }

    // Plain loops: a vector library may sum in another order on another processor.
    static double Dot(double[] a, double[] b)
    {
        double sum = 0;
        for (int i = 0; i < a.Length; i++)
            sum += a[i] * b[i];
        return sum;
    }

    static void Subtract(double[] v, double factor, double[] q)
    {
        for (int i = 0; i < v.Length; i++)
            v[i] -= factor * q[i];
    }
}
