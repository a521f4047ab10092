using System.Numerics;
using System.Runtime.CompilerServices;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.MatMul.Cpu;

namespace IlgpuDiffusion.Kernels.Conv;

/// The weight's gradient by the transposed Winograd algorithm: dg += Gᵀ [Σ_tiles (A dY Aᵀ) ⊙ (Bᵀ d B)] G. A task owns some input by some output
/// channels: its sums over all tiles, one (O × C) matrix a component, stay in the second-level cache while the tiles stream past. Other tasks transform
/// the same tiles again for other channels, which costs less than keeping them.
public static unsafe partial class Conv2d
{
    internal static void BackwardWeightWinograd(
        CpuPool pool, ArrayView<float> x, ArrayView<float> dy, ArrayView<float> dWeight, Conv2dShape s, ConvAlgorithm algorithm, CpuIsa isa)
    {
        switch (isa)
        {
            case CpuIsa.Avx512:
                Correlate<Avx512Kernel, Wide512>(pool, x.Pointer(), dy.Pointer(), dWeight.Pointer(), s, algorithm);
                break;
            case CpuIsa.Avx2:
                Correlate<Avx2Kernel, Wide>(pool, x.Pointer(), dy.Pointer(), dWeight.Pointer(), s, algorithm);
                break;
            default:
                Correlate<Vector128Kernel, Wide>(pool, x.Pointer(), dy.Pointer(), dWeight.Pointer(), s, algorithm);
                break;
        }
    }

    static void Correlate<TKernel, TLanes>(CpuPool pool, float* x, float* dy, float* dWeight, Conv2dShape s, ConvAlgorithm algorithm)
        where TKernel : struct, IMicroKernel
        where TLanes : struct, ILanes<TLanes>
    {
        if (algorithm == ConvAlgorithm.F4)
            Correlate<TKernel, TLanes, F4.Input, F4.OutputGradient, F4.WeightGradient>(pool, x, dy, dWeight, s);
        else
            Correlate<TKernel, TLanes, F2.Input, F2.OutputGradient, F2.WeightGradient>(pool, x, dy, dWeight, s);
    }

    static void Correlate<TKernel, TLanes, TInput, TOutputGradient, TWeightGradient>(CpuPool pool, float* x, float* dy, float* dWeight, Conv2dShape s)
        where TKernel : struct, IMicroKernel
        where TLanes : struct, ILanes<TLanes>
        where TInput : struct, ITransform
        where TOutputGradient : struct, ITransform
        where TWeightGradient : struct, ITransform
    {
        Tiling tiling = new(s, TInput.From, TOutputGradient.From);
        CorrelationPlan plan = CorrelationPlan.For<TKernel>(tiling.Count, s.C, s.O, TInput.To * TInput.To);
        int weights = s.WeightCount;
        float* partial = plan.Splits == 1 ? dWeight : Scratch.OfThread.Get(Scratch.Slot.Partial, (long)weights * plan.Splits);
        int inputBlocks = GemmPlan.CeilDiv(s.C, plan.Inputs), outputBlocks = GemmPlan.CeilDiv(s.O, plan.Outputs);
        pool.For(inputBlocks * outputBlocks * plan.Splits, item =>
        {
            int split = item / (inputBlocks * outputBlocks), block = item % (inputBlocks * outputBlocks);
            CorrelateBlock<TKernel, TLanes, TInput, TOutputGradient, TWeightGradient>(
                tiling, plan, split, block % inputBlocks * plan.Inputs, block / inputBlocks * plan.Outputs, x, dy, partial + (long)split * weights);
        });
        if (plan.Splits > 1)
            pool.Range(weights, Grain.Elements, (begin, end) => AddSplits(dWeight, partial, weights, plan.Splits, begin, end));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void AddSplits(float* dWeight, float* partial, long weights, int splits, long begin, long end)
    {
        for (long i = begin; i < end; i += Lanes.Width)
        {
            int left = (int)Math.Min(end - i, Lanes.Width);
            Vector<float> sum = Lanes.Load(partial + i, left);
            for (int split = 1; split < splits; split++)
                sum += Lanes.Load(partial + split * weights + i, left);
            Lanes.Store(Lanes.Load(dWeight + i, left) + sum, dWeight + i, left);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void CorrelateBlock<TKernel, TLanes, TInput, TOutputGradient, TWeightGradient>(
        Tiling tiling, CorrelationPlan plan, int split, int c0, int o0, float* x, float* dy, float* to)
        where TKernel : struct, IMicroKernel
        where TLanes : struct, ILanes<TLanes>
        where TInput : struct, ITransform
        where TOutputGradient : struct, ITransform
        where TWeightGradient : struct, ITransform
    {
        Conv2dShape s = tiling.Shape;
        int inputs = Math.Min(plan.Inputs, s.C - c0), outputs = Math.Min(plan.Outputs, s.O - o0);
        int begin = split * plan.TilesPerSplit, end = Math.Min(begin + plan.TilesPerSplit, tiling.Count), edge = Math.Max(plan.Inputs, plan.Outputs);
        Scratch scratch = Scratch.OfThread;
        float* gradient = scratch.Get(Scratch.Slot.A, plan.GradientComponent * plan.Components);
        float* input = scratch.Get(Scratch.Slot.B, plan.InputComponent * plan.Components);
        float* sums = scratch.Get(Scratch.Slot.C, plan.SumComponent * plan.Components);
        float* zeros = scratch.Get(Scratch.Slot.Edge, edge + Transforms.MiddleLength), middle = zeros + edge;
        new Span<float>(zeros, edge).Clear();

        for (int tile = begin; tile < end; tile += plan.Tiles)
        {
            int tiles = Math.Min(plan.Tiles, end - tile);
            tiling.TransformInput<TLanes, TInput>(
                x, tile, tiles, c0, inputs, zeros, input, TKernel.Columns, TKernel.Columns, plan.InputPanel, plan.InputComponent, middle);
            tiling.TransformOutputGradient<TLanes, TOutputGradient>(
                dy, tile, tiles, o0, outputs, zeros, gradient, plan.GradientRow, plan.GradientComponent, middle);
            for (int component = 0; component < plan.Components; component++)
            {
                float* a = gradient + component * plan.GradientComponent, b = input + component * plan.InputComponent;
                float* c = sums + component * plan.SumComponent;
                for (int n = 0; n < inputs; n += TKernel.Columns, b += plan.InputPanel)
                {
                    for (int m = 0; m < outputs; m += TKernel.Rows)
                    {
                        float* at = c + (long)m * plan.SumRow + n;
                        TKernel.Tile(
                            Math.Min(TKernel.Rows, outputs - m), Math.Min(TKernel.Columns, inputs - n), tiles, a + m, 1, plan.GradientRow, b,
                            at, plan.SumRow, null, tile > begin ? at : null);
                    }
                }
            }
        }

        for (int o = 0; o < outputs; o++)
        {
            float* from = sums + (long)o * plan.SumRow, row = to + ((long)(o0 + o) * 9 * s.C) + c0;
            TransformSums<TLanes, TWeightGradient>(from, plan.SumComponent, inputs, row, s.C, plan.Splits == 1, middle);
        }
    }

    // The 3×3 gradients of one output channel by `inputs` input channels: added to dWeight, or written where a split's own are kept.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void TransformSums<TLanes, TWeightGradient>(float* from, nint component, int inputs, float* to, int channels, bool add, float* middle)
        where TLanes : struct, ILanes<TLanes>
        where TWeightGradient : struct, ITransform
    {
        int c = 0;
        for (; c + TLanes.Count <= inputs; c += TLanes.Count)
            Place<TLanes>(c);
        for (; c + Wide.Count <= inputs; c += Wide.Count)
            Place<Wide>(c);
        for (; c < inputs; c++)
            Place<Narrow>(c);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        void Place<T>(int at)
            where T : struct, ILanes<T>
        {
            EvenLines sums = new(from + at, component, TWeightGradient.From * component);
            if (add)
                Transforms.Both<T, TWeightGradient, EvenLines, SummedLines>(sums, new SummedLines(to + at, 3 * channels, channels), middle);
            else
                Transforms.Both<T, TWeightGradient, EvenLines, EvenLines>(sums, new EvenLines(to + at, 3 * channels, channels), middle);
        }
    }

    /// How the transposed algorithm is cut; a function of the shape and the micro-kernel alone. Lengths and distances are in floats.
    readonly record struct CorrelationPlan(
        int Components, int Inputs, int Outputs, int Tiles, int TilesPerSplit, int Splits, nint InputPanel, nint InputComponent, int GradientRow,
        nint GradientComponent, int SumRow, nint SumComponent)
    {
        const int Line = 16;

        // Channels of a task, in and out, and tiles that it transforms at once. The more channels, the seldomer a tile is transformed again; where
        // all tiles come at once, the sums are written once and read once, and should stay in the second-level cache for it.
        const int MostInputs = 64, MostOutputs = 192, MostOutputsAtOnce = 96, MostTiles = 48;

        // The sum over tiles is cut only where channels make too few tasks, and into parts long enough to be worth their own transform back.
        const int WantedTasks = 8, FewestTiles = 96;

        public static CorrelationPlan For<TKernel>(int tiles, int inputs, int outputs, int components)
            where TKernel : struct, IMicroKernel
        {
            int inputsEach = Math.Min(MostInputs, GemmPlan.RoundUp(inputs, TKernel.Columns));
            int outputBlocks = GemmPlan.CeilDiv(outputs, tiles > MostTiles ? MostOutputs : MostOutputsAtOnce);
            int outputsEach = GemmPlan.RoundUp(GemmPlan.CeilDiv(outputs, outputBlocks), TKernel.Rows);
            int tasks = GemmPlan.CeilDiv(inputs, inputsEach) * GemmPlan.CeilDiv(outputs, outputsEach);
            int splits = Math.Clamp(GemmPlan.CeilDiv(WantedTasks, tasks), 1, Math.Max(1, tiles / FewestTiles));
            int perSplit = GemmPlan.CeilDiv(tiles, splits);
            int perBlock = GemmPlan.CeilDiv(perSplit, GemmPlan.CeilDiv(perSplit, MostTiles));
            nint panel = (nint)perBlock * TKernel.Columns + Line;
            int gradientRow = outputsEach + Line, sumRow = inputsEach + Line;
            return new CorrelationPlan(
                components, inputsEach, outputsEach, perBlock, perSplit, GemmPlan.CeilDiv(tiles, perSplit), panel,
                panel * (inputsEach / TKernel.Columns) + Line, gradientRow, (nint)gradientRow * perBlock + Line, sumRow,
                (nint)sumRow * outputsEach + Line);
        }
    }
}
