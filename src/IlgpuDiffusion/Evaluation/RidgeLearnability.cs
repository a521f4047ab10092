namespace IlgpuDiffusion.Evaluation;

/// How much of Y (people, outputs) is a linear function of features X (people, features), measured on people left out one at a time: 1 is all, 0 nothing, below 0 worse than predicting
/// zero. Before a network is trained on targets, this says in a second whether they are a function of the picture at all.
public sealed record RidgeLearnability(double ExplainedByMean, double ExplainedByRidge, double Penalty)
{
    // Times the mean of the diagonal of X·Xᵀ.
    static readonly double[] Penalties = [1e-4, 1e-3, 1e-2, 1e-1, 1, 10];

    /// Of ridge regressions with several penalties the best. With K = X·Xᵀ + constant and G = (K + λI)⁻¹ the error on person i by the others is (G·Y)_i / G_ii (Wahba 1990).
    public static RidgeLearnability Of(float[][] x, float[][] y)
    {
        int n = x.Length;
        if (n < 3 || y.Length != n)
            throw new ArgumentException($"{n} people with features and {y.Length} with targets; three or more of both are needed");
        double energy = y.Sum(Energy);
        double[] mean = [.. Enumerable.Range(0, y[0].Length).Select(j => y.Average(row => (double)row[j]))];
        // Leaving i out moves the mean: y_i − mean of the others = (y_i − mean) n/(n − 1).
        double byMean = y.Sum(row => row.Select((v, j) => (v - mean[j]) * (v - mean[j])).Sum()) * n / (n - 1.0) * n / (n - 1.0);
        double[,] gram = Gram(x);
        double scale = Enumerable.Range(0, n).Average(i => gram[i, i]);
        (double Error, double Penalty) best = Penalties.Select(p => (Error(gram, p * scale, y), p)).MinBy(e => e.Item1);
        return new RidgeLearnability(1 - (byMean / energy), 1 - (best.Error / energy), best.Penalty);
    }

    // Σ over people of the squared error by the others. A constant feature, much larger than the penalty, is the intercept.
    static double Error(double[,] gram, double penalty, float[][] y)
    {
        int n = y.Length;
        double intercept = 1e3 * penalty;
        double[,] k = new double[n, n];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
                k[i, j] = gram[i, j] + intercept + (i == j ? penalty : 0);
        }

        double[,] g = Inverse(k);
        double error = 0;
        double[] left = new double[y[0].Length];
        for (int i = 0; i < n; i++)
        {
            Array.Clear(left);
            for (int m = 0; m < n; m++)
            {
                for (int j = 0; j < left.Length; j++)
                    left[j] += g[i, m] * y[m][j];
            }

            error += left.Sum(v => v / g[i, i] * (v / g[i, i]));
        }

        return error;
    }

    // Products of features whose means over people are taken away.
    static double[,] Gram(float[][] x)
    {
        int n = x.Length;
        double[] mean = [.. Enumerable.Range(0, x[0].Length).Select(j => x.Average(row => (double)row[j]))];
        double[][] centred = [.. x.Select(row => row.Select((v, j) => v - mean[j]).ToArray())];
        double[,] gram = new double[n, n];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                double sum = 0;
                for (int f = 0; f < mean.Length; f++)
                    sum += centred[i][f] * centred[j][f];
                gram[i, j] = gram[j, i] = sum;
            }
        }

        return gram;
    }

    // Of a symmetric positive definite matrix, by Cholesky.
    static double[,] Inverse(double[,] a)
    {
        int n = a.GetLength(0);
        double[,] l = new double[n, n], inverse = new double[n, n];
        for (int j = 0; j < n; j++)
        {
            for (int i = j; i < n; i++)
            {
                double sum = a[i, j];
                for (int k = 0; k < j; k++)
                    sum -= l[i, k] * l[j, k];
                l[i, j] = i == j ? Math.Sqrt(sum) : sum / l[j, j];
            }
        }

        for (int column = 0; column < n; column++)
        {
            double[] z = new double[n];
            for (int i = 0; i < n; i++)
            {
                double sum = i == column ? 1 : 0;
                for (int k = 0; k < i; k++)
                    sum -= l[i, k] * z[k];
                z[i] = sum / l[i, i];
            }

            for (int i = n - 1; i >= 0; i--)
            {
                double sum = z[i];
                for (int k = i + 1; k < n; k++)
                    sum -= l[k, i] * inverse[k, column];
                inverse[i, column] = sum / l[i, i];
            }
        }

        return inverse;
    }

    static double Energy(float[] row) => row.Sum(v => (double)v * v);
}
