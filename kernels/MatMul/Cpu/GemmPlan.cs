namespace IlgpuDiffusion.Kernels.MatMul.Cpu;

/// Sizes of a (batched) product C (M,N) = A (M,K) · B (K,N).
readonly record struct GemmShape(int Batch, int M, int N, int K);

/// How a product is cut into tasks. A function of the shape and the micro-kernel alone, never of the number of threads:
/// the same tiles and the same order of sums give the same bits everywhere.
readonly record struct GemmPlan(int TileM, int TileN, int TilesM, int TilesN, int Splits, int SplitK, int Grain, int Tasks)
{
    // A packed tile of A (192 × 256) and of B (256 × 512) fit together in 1 MB of second-level cache.
    const int MaxTileM = 192;
    const int MaxTileN = 512;

    // Enough tasks for the cores of a workstation, each long enough (some 20 µs) to be worth handing over.
    const int WantedTasks = 16;
    const double FlopsPerTask = 2e6;

    // Cutting the sum packs nothing twice, so it comes before cutting tiles where the sum is long (a weight's gradient);
    // each part must fill a block, and the partial results must stay small beside the operands.
    const int MinSplitK = 256;
    const long MaxPartial = 1 << 21;

    // From so many tiles of rows on all blocks of B are packed once, where they are 16 MB at most. Of the numbers here only this first was measured: from two tiles on won nothing.
    const int FewestSharers = 4;
    const long MaxShared = 4 << 20;

    // A whole B that stays in the second-level cache and is packed once is read again by every tile of rows for less than partial results cost.
    const long MaxResident = 1 << 17;

    public static GemmPlan For(GemmShape s, int rows, int columns)
    {
        double flops = 2.0 * s.Batch * s.M * s.N * Math.Max(1, s.K);
        long wanted = (long)Math.Clamp(flops / FlopsPerTask, 1, WantedTasks);
        int tilesM = CeilDiv(s.M, MaxTileM);
        int tilesN = CeilDiv(s.N, MaxTileN);
        int splits = 1;
        while ((long)s.Batch * tilesM * tilesN * splits < wanted)
        {
            int tileM = CeilDiv(s.M, tilesM);
            int tileN = CeilDiv(s.N, tilesN);
            if (tilesM >= FewestSharers && s.Batch == 1 && (long)s.N * s.K <= MaxResident && tileM >= 4 * rows)
                tilesM *= 2;
            else if (s.K / splits >= Math.Max(2 * MinSplitK, 2 * Math.Max(tileM, tileN)) && 2L * splits * s.Batch * s.M * s.N <= MaxPartial)
                splits *= 2;
            else if (tileM >= tileN && tileM >= 4 * rows)
                tilesM *= 2;
            // A tile cut along n packs A once more and one cut along m packs B, the dearer where it is transposed: the longer side is cut, down to a panel.
            else if (tileN >= 4 * columns || (tileN > tileM && tileN >= 2 * columns))
                tilesN *= 2;
            else if (tileM >= 4 * rows)
                tilesM *= 2;
            else
                break;
        }

        int m = RoundUp(CeilDiv(s.M, tilesM), rows);
        int n = RoundUp(CeilDiv(s.N, tilesN), columns);
        tilesM = CeilDiv(s.M, m);
        tilesN = CeilDiv(s.N, n);
        int splitK = splits == 1 ? s.K : RoundUp(CeilDiv(s.K, splits), 16);
        splits = splits == 1 ? 1 : CeilDiv(s.K, splitK);

        long tasks = (long)s.Batch * tilesM * tilesN * splits;
        int grain = (int)Math.Clamp(FlopsPerTask / 2 / (flops / Math.Max(1, tasks)), 1, 256);
        return new GemmPlan(m, n, tilesM, tilesN, splits, splitK, grain, checked((int)tasks));
    }

    public bool SharesB(GemmShape s) => s.Batch == 1 && TilesM >= FewestSharers && (long)s.N * s.K <= MaxShared;

    /// The blocks of k of one split.
    public BlockDepths Depths(GemmShape s, int split) => new(split * SplitK, Math.Min((split + 1) * SplitK, s.K));

    public static int CeilDiv(int a, int b) => (a + b - 1) / b;

    public static int RoundUp(int a, int b) => CeilDiv(a, b) * b;
}

/// A range of k cut into blocks of equal depth, so that no sliver remains; an empty range still has one (empty) block, which writes the bias or zeros.
readonly record struct BlockDepths(int Begin, int End)
{
    public const int Max = 256;

    public int Blocks => Math.Max(1, GemmPlan.CeilDiv(End - Begin, Max));

    public int Longest => GemmPlan.RoundUp(GemmPlan.CeilDiv(End - Begin, Blocks), 4);

    public int Start(int block) => Math.Min(Begin + block * Longest, End);

    public int Length(int block) => Math.Min(Longest, End - Start(block));
}
