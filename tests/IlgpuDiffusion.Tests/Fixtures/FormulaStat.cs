using IlgpuDiffusion.Nn;

namespace IlgpuDiffusion.Tests.Fixtures;

/// What fixtures keep of a tensor that is too large to store.
public static class FormulaStat
{
    /// A fixture's `stat` row: sum, l2 norm, max abs, and the projection on the formula stream of `name#proj`.
    public static double[] Of(string name, ReadOnlySpan<float> values, string salt = "")
    {
        ulong h = FormulaWeights.Hash(salt + name + "#proj");
        double sum = 0, squares = 0, max = 0, projection = 0;
        for (int i = 0; i < values.Length; i++)
        {
            double v = values[i];
            sum += v;
            squares += v * v;
            max = Math.Max(max, Math.Abs(v));
            projection += v * FormulaWeights.TwoUMinus1(h, i);
        }

        return [sum, Math.Sqrt(squares), max, projection];
    }
}
