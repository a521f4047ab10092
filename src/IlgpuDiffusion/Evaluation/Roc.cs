namespace IlgpuDiffusion.Evaluation;

/// How well a score tells two kinds apart.
public static class Roc
{
    /// Area under the ROC curve: the probability that a positive scores above a negative, ties counted half (Mann and Whitney 1947).
    public static double Auc(IReadOnlyList<double> positive, IReadOnlyList<double> negative)
    {
        if (positive.Count == 0 || negative.Count == 0)
            throw new ArgumentException($"an AUC needs scores of both kinds, not {positive.Count} and {negative.Count}");
        double[] sorted = [.. negative.Order()];
        double wins = 0;
        foreach (double p in positive)
        {
            int below = LowerBound(sorted, p), upTo = below;
            while (upTo < sorted.Length && sorted[upTo] == p)
                upTo++;
            wins += below + (0.5 * (upTo - below));
        }

        return wins / ((double)positive.Count * negative.Count);
    }

    // The first index whose value is not below x.
    static int LowerBound(double[] sorted, double x)
    {
        int low = 0, high = sorted.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (sorted[middle] < x)
                low = middle + 1;
            else
                high = middle;
        }

        return low;
    }
}
