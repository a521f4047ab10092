namespace IlgpuDiffusion.Tests.Fixtures;

/// Comparison with a reference: |a - b| ≤ T · max(max|b|, 1e-3), max over the finite values of the reference.
public static class Tol
{
    /// The floor under max|b|: a reference of zeros still has a scale.
    const double Floor = 1e-3;

    /// Errors name the worst index, both values and the measured error in units of T. NaN and infinity must be the same on both sides.
    public static void Close(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected, double t, string what)
    {
        if (actual.Length != expected.Length)
            Assert.Fail($"{what}: {actual.Length} values, expected {expected.Length}");
        double scale = Floor;
        foreach (float e in expected)
            scale = float.IsFinite(e) ? Math.Max(scale, Math.Abs(e)) : scale;

        int worst = -1;
        double error = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            double difference = Difference(actual[i], expected[i]);
            if (difference > error)
                (worst, error) = (i, difference);
        }

        if (error > t * scale)
        {
            Assert.Fail($"{what}: at {worst} of {expected.Length}: {actual[worst]:G9}, expected {expected[worst]:G9}; "
                + $"error {error / scale:E2} of max|b| = {scale:G4}, allowed {t:E2}");
        }
    }

    static double Difference(float actual, float expected)
    {
        if (float.IsFinite(actual) && float.IsFinite(expected))
            return Math.Abs((double)actual - expected);
        return actual.Equals(expected) ? 0 : double.PositiveInfinity;
    }
}
