using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.MatMul.Cpu;

namespace IlgpuDiffusion.Kernels.Conv;

/// 3×3 convolutions of stride 1 by Winograd's F(m×m, 3×3), derived in Winograd.md: each tile of (m+2)² pixels and the filter are transformed, multiplied
/// component by component, which over many tiles is one matrix product a component, and transformed back. A task takes a block of tiles (of any
/// samples, so that small images make large products too) and of output channels through all three steps: what lies between them stays in its
/// thread's scratch, and the transformed image never exists as a whole.
public static unsafe partial class Conv2d
{
    /// Floats of transformed filter that are made, and used by all tiles, before the next ones: half of a usual third-level cache.
    const long FilterRange = 4 << 20;

    /// The algorithm among those that `allowed` allows which multiplies least for this shape. Few channels are left to the direct one:
    /// transforming costs per tile and channel, what it saves per tile, channel and output channel.
    internal static ConvAlgorithm Choose(Conv2dShape s, ConvAlgorithm allowed)
    {
        const int fewestChannels = 16;
        if (s.Kh != 3 || s.Kw != 3 || s.Stride != 1 || Math.Min(s.C, s.O) < fewestChannels)
            return ConvAlgorithm.Direct;
        long direct = 9L * s.OutH * s.OutW;
        long f2 = 16L * GemmPlan.CeilDiv(s.OutH, 2) * GemmPlan.CeilDiv(s.OutW, 2);
        long f4 = 36L * GemmPlan.CeilDiv(s.OutH, 4) * GemmPlan.CeilDiv(s.OutW, 4);
        if (allowed == ConvAlgorithm.F4 && f4 < Math.Min(f2, direct))
            return ConvAlgorithm.F4;
        return allowed != ConvAlgorithm.Direct && f2 < direct ? ConvAlgorithm.F2 : ConvAlgorithm.Direct;
    }

    // Where many tiles share the filter, transforming it is a small part of the work; where it is large, reading it back costs as much as making it.
    internal static long KeptLength(Conv2dShape s, ConvAlgorithm allowed, CpuIsa isa) => (Choose(s, allowed), isa) switch
    {
        (ConvAlgorithm.Direct, _) => 0,
        (ConvAlgorithm.F2, CpuIsa.Avx512) => KeptLength<Avx512Kernel>(new Tiling(s, 4, 2)),
        (ConvAlgorithm.F2, CpuIsa.Avx2) => KeptLength<Avx2Kernel>(new Tiling(s, 4, 2)),
        (ConvAlgorithm.F2, _) => KeptLength<Vector128Kernel>(new Tiling(s, 4, 2)),
        (_, CpuIsa.Avx512) => KeptLength<Avx512Kernel>(new Tiling(s, 6, 4)),
        (_, CpuIsa.Avx2) => KeptLength<Avx2Kernel>(new Tiling(s, 6, 4)),
        _ => KeptLength<Vector128Kernel>(new Tiling(s, 6, 4)),
    };

    static long KeptLength<TKernel>(Tiling tiling)
        where TKernel : struct, IMicroKernel
    {
        WinogradPlan plan = WinogradPlan.For<TKernel>(tiling.Count, tiling.Shape.C, tiling.Shape.O, tiling.Size * tiling.Size);
        long length = (long)GemmPlan.CeilDiv(tiling.Shape.O, TKernel.Columns) * plan.Chunks * plan.FilterChunk;
        return plan.Blocks == 1 && length <= FilterRange ? length : 0;
    }

    internal static void ForwardWinograd(
        CpuPool pool, ArrayView<float> x, ArrayView<float> weight, ArrayView<float> bias, ArrayView<float> y, Conv2dShape s, KeptFilter kept,
        ConvAlgorithm algorithm, CpuIsa isa)
    {
        RowsAlongK filter = new(weight.Pointer(), 9 * s.C, 0);
        Multiply(pool, x.Pointer(), filter, kept, bias.Pointer(), y.Pointer(), s, algorithm, isa);
    }

    /// dx is the convolution of dy with the filter turned by half a turn, its input and output channels changed over, and 2 − padding around dy.
    internal static void BackwardInputWinograd(
        CpuPool pool, ArrayView<float> dy, ArrayView<float> weight, ArrayView<float> dx, Conv2dShape s, KeptFilter kept, ConvAlgorithm algorithm,
        CpuIsa isa)
    {
        Taps all = new(0, 3, 0);
        FlippedWeight filter = new(weight.Pointer(), s, all, all);
        Multiply(pool, dy.Pointer(), filter, kept, null, dx.Pointer(), s.Transposed(), algorithm, isa);
    }

    static void Multiply<TFilter>(CpuPool pool, float* x, TFilter filter, KeptFilter kept, float* bias, float* y, Conv2dShape s, ConvAlgorithm algorithm, CpuIsa isa)
        where TFilter : struct, IPanelSource
    {
        switch (isa)
        {
            case CpuIsa.Avx512:
                Multiply<Avx512Kernel, Wide512, TFilter>(pool, x, filter, kept, bias, y, s, algorithm);
                break;
            case CpuIsa.Avx2:
                Multiply<Avx2Kernel, Wide, TFilter>(pool, x, filter, kept, bias, y, s, algorithm);
                break;
            default:
                Multiply<Vector128Kernel, Wide, TFilter>(pool, x, filter, kept, bias, y, s, algorithm);
                break;
        }
    }

    static void Multiply<TKernel, TLanes, TFilter>(CpuPool pool, float* x, TFilter filter, KeptFilter kept, float* bias, float* y, Conv2dShape s, ConvAlgorithm algorithm)
        where TKernel : struct, IMicroKernel
        where TLanes : struct, ILanes<TLanes>
        where TFilter : struct, IPanelSource
    {
        if (algorithm == ConvAlgorithm.F4)
            Multiply<TKernel, TLanes, F4.Input, F4.Weight, F4.Output, TFilter>(pool, x, filter, kept, bias, y, s);
        else
            Multiply<TKernel, TLanes, F2.Input, F2.Weight, F2.Output, TFilter>(pool, x, filter, kept, bias, y, s);
    }

    static void Multiply<TKernel, TLanes, TInput, TWeight, TOutput, TFilter>(CpuPool pool, float* x, TFilter filter, KeptFilter kept, float* bias, float* y, Conv2dShape s)
        where TKernel : struct, IMicroKernel
        where TLanes : struct, ILanes<TLanes>
        where TInput : struct, ITransform
        where TWeight : struct, ITransform
        where TOutput : struct, ITransform
        where TFilter : struct, IPanelSource
    {
        Tiling tiling = new(s, TInput.From, TOutput.To);
        WinogradPlan plan = WinogradPlan.For<TKernel>(tiling.Count, s.C, s.O, tiling.Size * tiling.Size);
        int panels = GemmPlan.CeilDiv(s.O, TKernel.Columns);
        if (kept.Memory.Length > 0)
        {
            if (kept.Fresh)
                Filters(0, panels, kept.Memory.Pointer());
            Blocks(0, panels, kept.Memory.Pointer());
            return;
        }

        if (plan.Blocks == 1)
        {
            Blocks(0, panels, null);
            return;
        }

        int range = (int)Math.Clamp(FilterRange / ((long)plan.Chunks * plan.FilterChunk), 1, panels);
        float* transformed = Scratch.OfThread.Get(Scratch.Slot.Partial, (long)range * plan.Chunks * plan.FilterChunk);
        for (int first = 0; first < panels; first += range)
        {
            int count = Math.Min(range, panels - first);
            Filters(first, count, transformed);
            Blocks(first, count, transformed);
        }

        void Filters(int first, int count, float* to) => pool.For(count * plan.Chunks, item => TransformFilter<TKernel, TLanes, TWeight, TFilter>(
            filter, s, plan, first + item / plan.Chunks, item % plan.Chunks, to + (long)item * plan.FilterChunk));

        void Blocks(int first, int count, float* made)
        {
            int perTask = Math.Min(plan.TaskPanels, count), columnTasks = GemmPlan.CeilDiv(count, perTask);
            pool.For(plan.Blocks * columnTasks, item =>
            {
                int panel = item % columnTasks * perTask;
                MultiplyBlock<TKernel, TLanes, TInput, TWeight, TOutput, TFilter>(
                    tiling, plan, item / columnTasks, first + panel, Math.Min(perTask, count - panel), x, filter,
                    made is null ? null : made + (long)panel * plan.Chunks * plan.FilterChunk, bias, y);
            });
        }
    }

    /// U = G g Gᵀ for one panel of output channels and one chunk of input channels: packed as the direct product would have it, [tap][k][column], then
    /// transformed over whole lanes of columns to [component][k][column].
    static void TransformFilter<TKernel, TLanes, TWeight, TFilter>(TFilter filter, Conv2dShape s, WinogradPlan plan, int panel, int chunk, float* to)
        where TKernel : struct, IMicroKernel
        where TLanes : struct, ILanes<TLanes>
        where TWeight : struct, ITransform
        where TFilter : struct, IPanelSource
    {
        int k0 = chunk * plan.Depth, depth = Math.Min(plan.Depth, s.C - k0);
        int column = panel * TKernel.Columns, columns = Math.Min(TKernel.Columns, s.O - column);
        int tapLength = Panels.PanelB<TKernel>(depth);
        Scratch scratch = Scratch.OfThread;
        float* taps = scratch.Get(Scratch.Slot.B, 9L * tapLength + Transforms.MiddleLength);
        float* line = scratch.Get(Scratch.Slot.Line, (long)TKernel.Columns * depth);
        for (int tap = 0; tap < 9; tap++)
            Panels.PackB<TKernel, TFilter>(filter, 0, column, columns, tap * s.C + k0, depth, taps + (long)tap * tapLength, line);
        TransformTaps<TLanes, TWeight>(taps, tapLength, depth * TKernel.Columns, to, plan.FilterComponent, taps + 9L * tapLength);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void TransformTaps<TLanes, TWeight>(float* taps, nint tapLength, int count, float* to, nint component, float* middle)
        where TLanes : struct, ILanes<TLanes>
        where TWeight : struct, ITransform
    {
        for (int i = 0; i < count; i += TLanes.Count)
        {
            Transforms.Both<TLanes, TWeight, EvenLines, EvenLines>(
                new EvenLines(taps + i, tapLength, 3 * tapLength), new EvenLines(to + i, TWeight.To * component, component), middle);
        }
    }

    /// One block of tiles by some panels of output channels. The transformed filter is `transformed`, or is made here where no other block needs it.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void MultiplyBlock<TKernel, TLanes, TInput, TWeight, TOutput, TFilter>(
        Tiling tiling, WinogradPlan plan, int block, int panel, int panels, float* x, TFilter filter, float* transformed, float* bias, float* y)
        where TKernel : struct, IMicroKernel
        where TLanes : struct, ILanes<TLanes>
        where TInput : struct, ITransform
        where TWeight : struct, ITransform
        where TOutput : struct, ITransform
        where TFilter : struct, IPanelSource
    {
        Conv2dShape s = tiling.Shape;
        int tile = block * plan.Tiles, tiles = Math.Min(plan.Tiles, tiling.Count - tile);
        int column = panel * TKernel.Columns, columns = Math.Min(panels * TKernel.Columns, s.O - column);
        int edge = Math.Max(plan.Depth, panels * TKernel.Columns);
        Scratch scratch = Scratch.OfThread;
        float* input = scratch.Get(Scratch.Slot.A, plan.InputComponent * plan.Components);
        float* output = scratch.Get(Scratch.Slot.C, plan.OutputComponent * plan.Components);
        float* own = transformed is null ? scratch.Get(Scratch.Slot.Partial, plan.FilterChunk) : null;
        float* zeros = scratch.Get(Scratch.Slot.Edge, 2L * edge + Transforms.MiddleLength), unread = zeros + edge, middle = unread + edge;
        new Span<float>(zeros, edge).Clear();

        for (int chunk = 0; chunk < plan.Chunks; chunk++)
        {
            int k0 = chunk * plan.Depth, depth = Math.Min(plan.Depth, s.C - k0);
            tiling.TransformInput<TLanes, TInput>(x, tile, tiles, k0, depth, zeros, input, plan.InputRow, depth, 0, plan.InputComponent, middle);
            for (int p = 0; p < panels; p++)
            {
                float* made = transformed is null ? own : transformed + ((long)p * plan.Chunks + chunk) * plan.FilterChunk;
                if (transformed is null)
                    TransformFilter<TKernel, TLanes, TWeight, TFilter>(filter, s, plan, panel + p, chunk, own);
                int n = p * TKernel.Columns, width = Math.Min(TKernel.Columns, columns - n);
                for (int component = 0; component < plan.Components; component++)
                {
                    float* a = input + component * plan.InputComponent, c = output + component * plan.OutputComponent + n;
                    float* b = made + component * plan.FilterComponent;
                    if (transformed is null)
                        FetchTaps<TKernel, TFilter>(filter, s, plan, panel, panels, (chunk * panels) + p + 1, component);

                    // The filter's panel stays in the first-level cache while the tiles stream past it from the second.
                    for (int m = 0; m < tiles; m += TKernel.Rows)
                    {
                        float* sums = c + (long)m * plan.OutputRow;
                        TKernel.Tile(
                            Math.Min(TKernel.Rows, tiles - m), width, depth, a + (long)m * plan.InputRow, plan.InputRow, 1, b, sums,
                            plan.OutputRow, null, chunk > 0 ? sums : null);
                    }
                }
            }
        }

        tiling.TransformOutput<TLanes, TOutput>(
            output, plan.OutputRow, plan.OutputComponent, tile, tiles, column, columns, bias is null ? zeros - column : bias, unread - column, y, middle);
    }

    /// Asks for one component's share of the taps that panel `next` % panels of chunk `next` / panels is made of, while the one before it is multiplied: they lie in short runs,
    /// each in a page of its own, which the processor does not foresee. Runs along the columns are left alone: their distances fall on few sets of the cache, and what came early would be gone.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void FetchTaps<TKernel, TFilter>(TFilter filter, Conv2dShape s, WinogradPlan plan, int panel, int panels, int next, int component)
        where TKernel : struct, IMicroKernel
        where TFilter : struct, IPanelSource
    {
        const int taps = 9, cacheLine = 16;
        int chunk = next / panels;
        if (!Sse.IsSupported || !TFilter.AlongK || chunk == plan.Chunks)
            return;
        int k0 = chunk * plan.Depth, depth = Math.Min(plan.Depth, s.C - k0);
        int column = (panel + (next % panels)) * TKernel.Columns, runs = taps * Math.Min(TKernel.Columns, s.O - column);
        for (int i = runs * component / plan.Components; i < runs * (component + 1) / plan.Components; i++)
        {
            float* run = filter.Run(0, column + (i / taps), (i % taps * s.C) + k0, depth, null);
            for (int k = 0; k < depth; k += cacheLine)
                Sse.Prefetch1(run + k);
        }
    }

    /// How a Winograd product is cut; a function of the shape and the micro-kernel alone. Lengths and distances are in floats. A cache line
    /// more than needed between components spreads them over the caches' sets.
    readonly record struct WinogradPlan(
        int Components, int Tiles, int Blocks, int Depth, int Chunks, int TaskPanels, int InputRow, nint InputComponent, int OutputRow, nint OutputComponent,
        nint FilterComponent)
    {
        const int Line = 16;

        // Input channels that are transformed and multiplied at once. Where the filter is transformed in the task, its panel of all components should
        // stay in the second-level cache with the rest.
        const int MaxDepth = 320, MaxOwnDepth = 128;

        // Tiles of a task: as many as fill the second-level cache, transformed and multiplied, but not so few that reading the filter costs more
        // than multiplying by it.
        const long TaskFloats = 3 << 17;
        const int FewestTiles = 48, MostTiles = 96;

        const int WantedTasks = 4;

        /// Floats of one panel's transformed filter over one chunk of input channels.
        public int FilterChunk => checked((int)(Components * FilterComponent));

        public static WinogradPlan For<TKernel>(int tiles, int inputs, int outputs, int components)
            where TKernel : struct, IMicroKernel
        {
            int chunks = GemmPlan.CeilDiv(inputs, tiles <= MostTiles ? MaxOwnDepth : MaxDepth);
            int depth = GemmPlan.RoundUp(GemmPlan.CeilDiv(inputs, chunks), Line);
            int panels = GemmPlan.CeilDiv(outputs, TKernel.Columns);
            int most = inputs <= MaxOwnDepth ? (int)Math.Clamp(TaskFloats / components / (depth + panels * TKernel.Columns), FewestTiles, MostTiles) : MostTiles;
            int blocks = tiles <= MostTiles ? 1 : GemmPlan.CeilDiv(tiles, most);
            int perBlock = GemmPlan.RoundUp(GemmPlan.CeilDiv(tiles, blocks), TKernel.RowStep);
            blocks = GemmPlan.CeilDiv(tiles, perBlock);
            int columnTasks = Math.Clamp(GemmPlan.CeilDiv(WantedTasks, blocks), 1, GemmPlan.CeilDiv(panels, 2));
            int taskPanels = GemmPlan.CeilDiv(panels, columnTasks);
            int rows = GemmPlan.RoundUp(perBlock, TKernel.Rows);
            int inputRow = depth + Line, outputRow = taskPanels * TKernel.Columns + Line;
            return new WinogradPlan(
                components, perBlock, blocks, depth, GemmPlan.CeilDiv(inputs, depth), taskPanels, inputRow, (nint)rows * inputRow + Line,
                outputRow, (nint)rows * outputRow + Line, (nint)depth * TKernel.Columns + Line);
        }
    }

    /// An image's outputs cut into tiles of `outputs` by `outputs`, sample after sample; a tile reads `size` by `size` pixels.
    readonly struct Tiling(Conv2dShape s, int size, int outputs)
    {
        readonly int tilesW = GemmPlan.CeilDiv(s.OutW, outputs);
        readonly int tilesPerImage = GemmPlan.CeilDiv(s.OutH, outputs) * GemmPlan.CeilDiv(s.OutW, outputs);

        public Conv2dShape Shape => s;

        public int Size => size;

        public int Count => s.B * tilesPerImage;

        /// V = Bᵀ d B of `tiles` tiles from `tile` on, channels k0 … k0 + depth. Component i of tile t's channel k goes to
        /// to[i·component + (k / panel)·panelLength + t·row + k % panel].
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void TransformInput<TLanes, TInput>(
            float* x, int tile, int tiles, int k0, int depth, float* zeros, float* to, nint row, int panel, nint panelLength, nint component, float* middle)
            where TLanes : struct, ILanes<TLanes>
            where TInput : struct, ITransform
        {
            float** table = stackalloc float*[TInput.From * TInput.From];
            for (int t = 0; t < tiles; t++, to += row)
            {
                (int b, int top, int left) = At(tile + t);
                Point(table, x + k0, s.H, s.W, s.C, b, top - s.PadTop, left - s.PadLeft, TInput.From, zeros, 1, TInput.From);
                float* lane = to;
                for (int first = 0; first < depth; first += panel, lane += panelLength)
                {
                    int end = Math.Min(first + panel, depth), k = first;
                    for (; k + TLanes.Count <= end; k += TLanes.Count)
                        Tile<TLanes>(k, lane + (k - first));
                    for (; k + Wide.Count <= end; k += Wide.Count)
                        Tile<Wide>(k, lane + (k - first));
                    for (; k < end; k++)
                        Tile<Narrow>(k, lane + (k - first));
                }
            }

            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            void Tile<T>(int k, float* at)
                where T : struct, ILanes<T> => Transforms.Both<T, TInput, Pixels, EvenLines>(
                    new Pixels(table, TInput.From, k, null), new EvenLines(at, TInput.From * component, component), middle);
        }

        /// Y = Aᵀ M A + bias of `tiles` tiles, output channels `column` … `column` + `columns`; what lies beyond the image goes to `unread`.
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void TransformOutput<TLanes, TOutput>(
            float* from, nint row, nint component, int tile, int tiles, int column, int columns, float* bias, float* unread, float* y, float* middle)
            where TLanes : struct, ILanes<TLanes>
            where TOutput : struct, ITransform
        {
            float** table = stackalloc float*[TOutput.To * TOutput.To];
            for (int t = 0; t < tiles; t++, from += row)
            {
                (int b, int top, int left) = At(tile + t);
                Point(table, y, s.OutH, s.OutW, s.O, b, top, left, TOutput.To, unread, TOutput.To, 1);
                int n = 0;
                for (; n + TLanes.Count <= columns; n += TLanes.Count)
                    Tile<TLanes>(n, from + n);
                for (; n + Wide.Count <= columns; n += Wide.Count)
                    Tile<Wide>(n, from + n);
                for (; n < columns; n++)
                    Tile<Narrow>(n, from + n);
            }

            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            void Tile<T>(int n, float* at)
                where T : struct, ILanes<T> => Transforms.Both<T, TOutput, EvenLines, Pixels>(
                    new EvenLines(at, component, TOutput.From * component), new Pixels(table, TOutput.To, column + n, bias), middle);
        }

        /// A dY Aᵀ of `tiles` tiles, output channels `column` … `column` + `columns`.
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void TransformOutputGradient<TLanes, TOutputGradient>(
            float* dy, int tile, int tiles, int column, int columns, float* zeros, float* to, nint row, nint component, float* middle)
            where TLanes : struct, ILanes<TLanes>
            where TOutputGradient : struct, ITransform
        {
            float** table = stackalloc float*[TOutputGradient.From * TOutputGradient.From];
            for (int t = 0; t < tiles; t++, to += row)
            {
                (int b, int top, int left) = At(tile + t);
                Point(table, dy + column, s.OutH, s.OutW, s.O, b, top, left, TOutputGradient.From, zeros, 1, TOutputGradient.From);
                int n = 0;
                for (; n + TLanes.Count <= columns; n += TLanes.Count)
                    Tile<TLanes>(n, to + n);
                for (; n + Wide.Count <= columns; n += Wide.Count)
                    Tile<Wide>(n, to + n);
                for (; n < columns; n++)
                    Tile<Narrow>(n, to + n);
            }

            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            void Tile<T>(int n, float* at)
                where T : struct, ILanes<T> => Transforms.Both<T, TOutputGradient, Pixels, EvenLines>(
                    new Pixels(table, TOutputGradient.From, n, null), new EvenLines(at, TOutputGradient.To * component, component), middle);
        }

        // Sample, top and left output of a tile.
        (int B, int Top, int Left) At(int tile)
        {
            int b = tile / tilesPerImage, inImage = tile - b * tilesPerImage, i = inImage / tilesW;
            return (b, i * outputs, (inImage - i * tilesW) * outputs);
        }

        // table[i·down + j·right] = pixel (top + i, left + j) of sample b, or `outside`.
        static void Point(
            float** table, float* image, int h, int w, int channels, int b, int top, int left, int size, float* outside, int down, int right)
        {
            for (int i = 0; i < size; i++, table += down)
            {
                bool inside = (uint)(top + i) < (uint)h;
                float* pixel = image + (((long)b * h + top + i) * w + left) * channels;
                float** to = table;
                for (int j = 0; j < size; j++, pixel += channels, to += right)
                    *to = inside && (uint)(left + j) < (uint)w ? pixel : outside;
            }
        }
    }
}
