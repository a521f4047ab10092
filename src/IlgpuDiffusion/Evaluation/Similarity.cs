using System.Numerics.Tensors;

namespace IlgpuDiffusion.Evaluation;

/// What a table of similarities says, queries as rows and candidates as columns, the right candidate of row i in column i.
public sealed class Similarity
{
    readonly double[][] table;

    /// Cosines between the rows of a and b, `width` numbers each.
    public Similarity(float[] a, float[] b, int width)
    {
        if (a.Length != b.Length || a.Length == 0 || a.Length % width != 0)
            throw new ArgumentException($"{a.Length} and {b.Length} numbers are not equally many rows of {width}");
        int n = a.Length / width;
        table = new double[n][];
        for (int i = 0; i < n; i++)
        {
            table[i] = new double[n];
            for (int j = 0; j < n; j++)
                table[i][j] = TensorPrimitives.CosineSimilarity<float>(a.AsSpan(i * width, width), b.AsSpan(j * width, width));
        }
    }

    public IReadOnlyList<double> Same => [.. table.Select((row, i) => row[i])];

    public IReadOnlyList<double> Different => [.. table.SelectMany((row, i) => row.Where((_, j) => j != i))];

    public double Auc => Roc.Auc(Same, Different);

    /// Share of rows whose best candidate is the right one.
    public double Rank1 => table.Select((row, i) => row.Select((v, j) => (v, j)).MaxBy(c => c.v).j == i ? 1.0 : 0).Average();
}
