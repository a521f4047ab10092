namespace IlgpuDiffusion.Evaluation;

/// How far raters agree beyond chance (Krippendorff 2011, "Computing Krippendorff's alpha-reliability"), for answers without an order.
public static class KrippendorffAlpha
{
    /// With n_uc raters who gave unit u the answer c, m_u = Σ_c n_uc at least two, and n_c, n the sums over units:
    ///
    ///     D_o = 1/n · Σ_u Σ_c n_uc (m_u − n_uc) / (m_u − 1)     D_e = 1/(n (n − 1)) · Σ_c n_c (n − n_c)     α = 1 − D_o / D_e
    ///
    /// 1 is agreement in everything, 0 what chance gives. Units that fewer than two have answered say nothing and are left out. Null where α is not defined: no such
    /// units, or one answer to all of them. `counts`: by unit and answer
    public static double? Nominal(IReadOnlyList<IReadOnlyList<int>> counts)
    {
        IReadOnlyList<int>[] units = [.. counts.Where(u => u.Sum() > 1)];
        double n = units.Sum(u => u.Sum());
        double expected = units.Length == 0 ? 0 : units[0].Select((_, c) => units.Sum(u => (double)u[c])).Sum(of => of * (n - of)) / (n * (n - 1));
        if (expected == 0)
            return null;
        double observed = units.Sum(u => u.Sum(of => (double)of * (u.Sum() - of)) / (u.Sum() - 1)) / n;
        return 1 - (observed / expected);
    }
}
