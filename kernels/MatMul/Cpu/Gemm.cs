using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Kernels.MatMul.Cpu;

/// The matrix product of the `cpu` device: C = start + A·B + bias, where `start` is nothing, C itself (a sum that goes on) or another matrix (a residual). A task owns a tile of C (and a range of k when the sum is split),
/// packs its own blocks of A and B into its thread's scratch, and sweeps the micro-kernel over them: one hand-over a product, no barrier inside.
/// Where many tasks read the same block of B, all blocks are packed before and once: a second hand-over, which small products could not afford.
static unsafe class Gemm
{
    public static void Run<TA, TB, TC>(CpuPool pool, GemmShape s, TA a, TB b, TC c, float* bias, TC? start, CpuIsa isa)
        where TA : struct, IPanelSource
        where TB : struct, IPanelSource
        where TC : struct, IRowTarget
    {
        if (s.Batch == 0 || s.M == 0 || s.N == 0)
            return;
        switch (isa)
        {
            case CpuIsa.Avx512:
                Run<Avx512Kernel, TA, TB, TC>(pool, s, a, b, c, bias, start);
                break;
            case CpuIsa.Avx2:
                Run<Avx2Kernel, TA, TB, TC>(pool, s, a, b, c, bias, start);
                break;
            default:
                Run<Vector128Kernel, TA, TB, TC>(pool, s, a, b, c, bias, start);
                break;
        }
    }

    static void Run<TKernel, TA, TB, TC>(CpuPool pool, GemmShape s, TA a, TB b, TC c, float* bias, TC? start)
        where TKernel : struct, IMicroKernel
        where TA : struct, IPanelSource
        where TB : struct, IPanelSource
        where TC : struct, IRowTarget
    {
        GemmPlan plan = GemmPlan.For(s, TKernel.Rows, TKernel.Columns);
        float* shared = plan.SharesB(s) ? PackShared<TKernel, TB>(pool, plan, s, b) : null;
        if (plan.Splits == 1)
        {
            ForTasks(pool, plan, task => Tile<TKernel, TA, TB, TC>(plan, task, 0, s, a, b, shared, c, bias, start));
            return;
        }

        long partialLength = (long)s.Batch * s.M * s.N;
        float* partial = Scratch.OfThread.Get(Scratch.Slot.Partial, partialLength * plan.Splits);
        ForTasks(pool, plan, task =>
        {
            int split = task % plan.Splits;
            MatrixRows rows = new(partial + split * partialLength, s.N, (long)s.M * s.N);
            Tile<TKernel, TA, TB, MatrixRows>(plan, task / plan.Splits, split, s, a, b, shared, rows, null, null);
        });
        pool.Range((long)s.Batch * s.M, Math.Max(1, 16384 / s.N), (begin, end) =>
        {
            for (long row = begin; row < end; row++)
            {
                (int batch, int m) = ((int)(row / s.M), (int)(row % s.M));
                AddPartials(c.Row(batch, m), partial + row * s.N, partialLength, plan.Splits, s.N, bias, At(start, batch, m, 0));
            }
        });
    }

    static void ForTasks(CpuPool pool, GemmPlan plan, Action<int> task)
    {
        if (plan.Grain == 1)
        {
            pool.For(plan.Tasks, task);
            return;
        }

        pool.For(GemmPlan.CeilDiv(plan.Tasks, plan.Grain), item =>
        {
            for (int i = item * plan.Grain; i < Math.Min((item + 1) * plan.Grain, plan.Tasks); i++)
                task(i);
        });
    }

    /// Every block of B in a place of its own: [tile of columns][split][block].
    static float* PackShared<TKernel, TB>(CpuPool pool, GemmPlan plan, GemmShape s, TB b)
        where TKernel : struct, IMicroKernel
        where TB : struct, IPanelSource
    {
        int blocks = plan.Depths(s, 0).Blocks;
        long place = SharedPlace<TKernel>(plan);
        float* shared = Scratch.OfThread.Get(Scratch.Slot.SharedB, plan.TilesN * plan.Splits * blocks * place);
        pool.For(plan.TilesN * plan.Splits * blocks, task =>
        {
            BlockDepths depths = plan.Depths(s, task / blocks % plan.Splits);
            int block = task % blocks, n0 = task / (blocks * plan.Splits) * plan.TileN;
            float* line = Scratch.OfThread.Get(Scratch.Slot.Line, Math.Max(plan.TileN, TKernel.Columns * depths.Longest));
            if (block < depths.Blocks)
                Panels.PackB<TKernel, TB>(b, 0, n0, Math.Min(plan.TileN, s.N - n0), depths.Start(block), depths.Length(block), shared + task * place, line);
        });
        return shared;
    }

    // The longest block of the last, shorter split can be longer than those of the others.
    static long SharedPlace<TKernel>(GemmPlan plan)
        where TKernel : struct, IMicroKernel =>
        (long)plan.TileN / TKernel.Columns * Panels.PanelB<TKernel>(Math.Min(GemmPlan.RoundUp(plan.SplitK, 4), BlockDepths.Max));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Tile<TKernel, TA, TB, TC>(
        GemmPlan plan, int task, int split, GemmShape s, TA a, TB b, float* shared, TC c, float* bias, TC? start)
        where TKernel : struct, IMicroKernel
        where TA : struct, IPanelSource
        where TB : struct, IPanelSource
        where TC : struct, IRowTarget
    {
        int n0 = task % plan.TilesN * plan.TileN;
        int m0 = task / plan.TilesN % plan.TilesM * plan.TileM;
        int batch = task / (plan.TilesN * plan.TilesM);
        int rows = Math.Min(plan.TileM, s.M - m0);
        int columns = Math.Min(plan.TileN, s.N - n0);

        BlockDepths depths = plan.Depths(s, split);
        Scratch scratch = Scratch.OfThread;
        float* packedA = scratch.Get(Scratch.Slot.A, Panels.LayoutA<TKernel, TA>(rows, depths.Longest).Length);
        float* packedB = shared is null
            ? scratch.Get(Scratch.Slot.B, (long)GemmPlan.CeilDiv(columns, TKernel.Columns) * Panels.PanelB<TKernel>(depths.Longest))
            : shared + (long)(task % plan.TilesN * plan.Splits + split) * plan.Depths(s, 0).Blocks * SharedPlace<TKernel>(plan);
        float* line = scratch.Get(Scratch.Slot.Line, Math.Max(columns, TKernel.Columns * depths.Longest));
        float* edge = stackalloc float[TKernel.Rows * TKernel.Columns];

        for (int block = 0; block < depths.Blocks; block++)
        {
            int k0 = depths.Start(block), depth = depths.Length(block);
            Panels.Layout layout = Panels.LayoutA<TKernel, TA>(rows, depth);
            int panelBLength = Panels.PanelB<TKernel>(depth);
            Panels.PackA<TKernel, TA>(a, batch, m0, rows, k0, depth, packedA);
            if (shared is null)
                Panels.PackB<TKernel, TB>(b, batch, n0, columns, k0, depth, packedB, line);
            else if (block > 0)
                packedB += SharedPlace<TKernel>(plan);
            TC? blockStart = block == 0 ? start : c;
            float* blockBias = block == 0 ? bias : null;

            // A's panel stays in the first-level cache while B's panels stream past it from the second.
            for (int m = 0; m < rows; m += TKernel.Rows)
            {
                int height = Math.Min(TKernel.Rows, rows - m);
                float* panelA = packedA + (long)(m / TKernel.Rows) * layout.Panel;
                for (int n = 0; n < columns; n += TKernel.Columns)
                {
                    int width = Math.Min(TKernel.Columns, columns - n);
                    float* panelB = packedB + (long)(n / TKernel.Columns) * panelBLength;
                    float* tileBias = blockBias is null ? null : blockBias + n0 + n;
                    if (TC.Strided && height % TKernel.RowStep == 0 && width % TKernel.ColumnStep == 0)
                    {
                        float* to = c.Row(batch, m0 + m) + n0 + n, from = At(blockStart, batch, m0 + m, n0 + n);
                        if (block == 0 && from is not null && from != to)
                            Fetch(from, c.Row(batch, 1) - c.Row(batch, 0), height, width);
                        TKernel.Tile(height, width, depth, panelA, layout.Row, layout.K, panelB, to, c.Row(batch, 1) - c.Row(batch, 0), tileBias, from);
                        continue;
                    }

                    TKernel.Tile(height, width, depth, panelA, layout.Row, layout.K, panelB, edge, TKernel.Columns, null, null);
                    for (int r = 0; r < height; r++)
                        AddRow(c.Row(batch, m0 + m + r) + n0 + n, edge + r * TKernel.Columns, width, tileBias, At(blockStart, batch, m0 + m + r, n0 + n));
                }
            }
        }
    }

    /// Asks for a residual's rows while the sums that start from them are made: they come from memory, in runs too short to be foreseen.
    static void Fetch(float* start, long row, int height, int width)
    {
        const int cacheLine = 16;
        if (!Sse.IsSupported)
            return;
        for (int r = 0; r < height; r++)
        {
            for (int n = 0; n < width; n += cacheLine)
                Sse.Prefetch0(start + r * row + n);
        }
    }

    static float* At<TC>(TC? rows, int batch, int m, int n)
        where TC : struct, IRowTarget => rows is { } given ? given.Row(batch, m) + n : null;

    /// c = start + sums + bias; without a start, sums + bias.
    public static void AddRow(float* c, float* sums, int width, float* bias, float* start)
    {
        int n = 0;
        for (; n + Vector<float>.Count <= width; n += Vector<float>.Count)
        {
            Vector<float> v = Vector.Load(sums + n);
            if (bias is not null)
                v += Vector.Load(bias + n);
            if (start is not null)
                v += Vector.Load(start + n);
            v.Store(c + n);
        }

        for (; n < width; n++)
            c[n] = sums[n] + (bias is null ? 0 : bias[n]) + (start is null ? 0 : start[n]);
    }

    static void AddPartials(float* c, float* partial, long partialLength, int splits, int width, float* bias, float* start)
    {
        for (int split = 1; split < splits; split++)
            AddRow(partial, partial + split * partialLength, width, null, partial);
        AddRow(c, partial, width, bias, start);
    }
}
