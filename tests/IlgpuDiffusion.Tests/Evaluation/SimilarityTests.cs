using IlgpuDiffusion.Evaluation;

namespace IlgpuDiffusion.Tests.Evaluation;

public class SimilarityTests
{
    [Fact]
    public void Auc_is_the_share_of_pairs_in_order()
    {
        Assert.Equal(1, Roc.Auc([3, 4], [1, 2]));
        Assert.Equal(0, Roc.Auc([1], [2, 3, 4]));
        // 5 > all four; 2 > 1, ties with two 2s, below 3
        Assert.Equal((4 + 1 + 1.0) / 8, Roc.Auc([5, 2], [1, 2, 2, 3]));
        Assert.Throws<ArgumentException>(() => Roc.Auc([], [1]));
    }

    [Fact]
    public void Rank_1_counts_rows_whose_best_column_is_their_own()
    {
        float[] a = [1, 0, 0, 1, 1, 0.1f], b = [2, 0.1f, 0.1f, 3, -1, 1];
        Similarity s = new(a, b, 2);
        Assert.Equal(2 / 3.0, s.Rank1, 1e-12);
        Assert.Equal(3, s.Same.Count);
        Assert.Equal(6, s.Different.Count);
        Assert.Equal(Roc.Auc(s.Same, s.Different), s.Auc);
    }
}
