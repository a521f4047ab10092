using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.MatMul;
using IlgpuDiffusion.Kernels.TensorCore;
using IlgpuDiffusion.Kernels.Trials;
using Product = IlgpuDiffusion.Kernels.MatMul.MatMul;

namespace IlgpuDiffusion.Kernels.Conv;

/// Convolution on tensor cores, in bf16 with F32 sums: the product of MatMul.TensorCore.cs with an operand that is gathered from the image while it is copied to shared
/// memory. A piece of eight numbers lies in one channel vector, so C and O must be multiples of eight. Checked by `ptx-sim`; never run on a GPU.
public static partial class Conv2d
{
    // ---- operands ----------------------------------------------------------------------------------
    /// (B·OutH·OutW, Kh·Kw·C): for each output position the pixels under the filter.
    internal readonly struct Windows(Conv2dShape s) : IOperand
    {
        public readonly Dims D = new(s, bias: false);

        public void Copy(uint tile, int piece, ArrayView<ushort> x, int batch, int outer, int inner)
        {
            int p = outer + InnerTile.Row(piece), i = inner + InnerTile.Column(piece);
            long from = Pixel(D, p, i / D.C, i % D.C);
            InnerTile.Copy(tile, piece, x, p < D.Positions && i < D.Kh * D.Kw * D.C && from >= 0, from);
        }

        public static int OuterOf(int piece) => InnerTile.Row(piece);

        public static Fragment A(uint tile, int outer, int k, int lane) => InnerTile.A(tile, outer, k, lane);

        public static Fragment B(uint tile, int outer, int k, int lane) => InnerTile.B(tile, outer, k, lane);
    }

    /// The same matrix with the positions as the inner extent: the right operand of the weight's gradient.
    internal readonly struct WindowsByTap(Conv2dShape s) : IOperand
    {
        public readonly Dims D = new(s, bias: false);

        public void Copy(uint tile, int piece, ArrayView<ushort> x, int batch, int outer, int inner)
        {
            int p = inner + OuterTile.Row(piece), i = outer + OuterTile.Column(piece);
            long from = Pixel(D, p, i / D.C, i % D.C);
            OuterTile.Copy(tile, piece, x, p < D.Positions && i < D.Kh * D.Kw * D.C && from >= 0, from);
        }

        public static int OuterOf(int piece) => OuterTile.Column(piece);

        public static Fragment A(uint tile, int outer, int k, int lane) => OuterTile.A(tile, outer, k, lane);

        public static Fragment B(uint tile, int outer, int k, int lane) => OuterTile.B(tile, outer, k, lane);
    }

    /// (B·H·W, Kh·Kw·O): for each input position the output gradients that it went into.
    internal readonly struct Receivers(Conv2dShape s) : IOperand
    {
        public readonly Dims D = new(s, bias: false);
        public readonly int Pixels = s.B * s.H * s.W;

        public void Copy(uint tile, int piece, ArrayView<ushort> x, int batch, int outer, int inner)
        {
            int p = outer + InnerTile.Row(piece), i = inner + InnerTile.Column(piece);
            int tap = i / D.O, o = i - (tap * D.O);
            int row = (p / D.W % D.H) + D.PadTop - (tap / D.Kw), column = (p % D.W) + D.PadLeft - (tap % D.Kw);
            int outRow = row / D.Stride, outColumn = column / D.Stride;
            bool inside = p < Pixels && tap < D.Kh * D.Kw && row >= 0 && column >= 0 && outRow < D.OutH && outColumn < D.OutW
                && outRow * D.Stride == row && outColumn * D.Stride == column;
            long from = (((((long)(p / (D.W * D.H)) * D.OutH) + outRow) * D.OutW) + outColumn) * D.O;
            InnerTile.Copy(tile, piece, x, inside, from + o);
        }

        public static int OuterOf(int piece) => InnerTile.Row(piece);

        public static Fragment A(uint tile, int outer, int k, int lane) => InnerTile.A(tile, outer, k, lane);

        public static Fragment B(uint tile, int outer, int k, int lane) => InnerTile.B(tile, outer, k, lane);
    }

    /// The weight (O, Kh·Kw, C) as (Kh·Kw·O, C): taps outside, so that its rows meet those of <see cref="Receivers"/>.
    internal readonly struct WeightByTap(Conv2dShape s) : IOperand
    {
        public readonly int C = s.C;
        public readonly int O = s.O;
        public readonly int Taps = s.Kh * s.Kw;

        public void Copy(uint tile, int piece, ArrayView<ushort> x, int batch, int outer, int inner)
        {
            int i = inner + OuterTile.Row(piece), c = outer + OuterTile.Column(piece);
            int tap = i / O, o = i - (tap * O);
            OuterTile.Copy(tile, piece, x, tap < Taps && c < C, ((((long)o * Taps) + tap) * C) + c);
        }

        public static int OuterOf(int piece) => OuterTile.Column(piece);

        public static Fragment A(uint tile, int outer, int k, int lane) => OuterTile.A(tile, outer, k, lane);

        public static Fragment B(uint tile, int outer, int k, int lane) => OuterTile.B(tile, outer, k, lane);
    }

    // Where channel c of the pixel lies that output position p meets at filter position `tap`; negative outside the image.
    static long Pixel(Dims d, int p, int tap, int c)
    {
        int b = p / (d.OutH * d.OutW);
        int h = (p / d.OutW % d.OutH * d.Stride) + (tap / d.Kw) - d.PadTop, w = (p % d.OutW * d.Stride) + (tap % d.Kw) - d.PadLeft;
        return h >= 0 && h < d.H && w >= 0 && w < d.W ? (((((long)b * d.H) + h) * d.W) + w) * d.C + c : -1;
    }

    // ---- launchers ---------------------------------------------------------------------------------
    /// Whether the shape fits: channels in and out are multiples of eight.
    public static bool FitsTensorCore(Conv2dShape s) => s.C % TileShape.Piece == 0 && s.O % TileShape.Piece == 0;

    // The three products, as their extents are.
    static MatMulShape ForwardProduct(Conv2dShape s) => new(1, s.B * s.OutH * s.OutW, s.O, s.Kh * s.Kw * s.C);

    static MatMulShape InputProduct(Conv2dShape s) => new(1, s.B * s.H * s.W, s.C, s.Kh * s.Kw * s.O);

    static MatMulShape WeightProduct(Conv2dShape s) => new(1, s.O, s.Kh * s.Kw * s.C, s.B * s.OutH * s.OutW, Accumulate: true);

    /// Floats of scratch that the three launchers need at most.
    public static long TensorCoreScratch(Conv2dShape s) =>
        new[] { ForwardProduct(s), InputProduct(s), WeightProduct(s) }.Max(p => Product.TensorCoreSplits(p) is int n and > 1 ? (long)n * p.M * p.N : 0);

    /// x (B,H,W,C) and weight (O,Kh,Kw,C) in bf16, bias (O) or empty, y (B,OutH,OutW,O) in F32. partial: see <see cref="TensorCoreScratch"/>.
    public static void ForwardTensorCore(
        KernelContext k, ArrayView<ushort> x, ArrayView<ushort> weight, ArrayView<float> bias, ArrayView<float> partial, ArrayView<float> y, Conv2dShape s)
    {
        using LaunchScope launch = k.Scope("Conv2d.Forward", s, WorkOf(s, sizeof(ushort)));
        CheckTensorCore(x.Length, weight.Length, y.Length, partial.Length, s);
        Product.TensorCore(k, x, new Windows(s), weight, new InnerContiguous(s.O, s.Kh * s.Kw * s.C), bias, partial, y, ForwardProduct(s));
    }

    /// dx (B,H,W,C) in F32 is written.
    public static void BackwardInputTensorCore(
        KernelContext k, ArrayView<ushort> dy, ArrayView<ushort> weight, ArrayView<float> partial, ArrayView<float> dx, Conv2dShape s)
    {
        using LaunchScope launch = k.Scope("Conv2d.BackwardInput", s, WorkOf(s, sizeof(ushort)));
        CheckTensorCore(dx.Length, weight.Length, dy.Length, partial.Length, s);
        Product.TensorCore(k, dy, new Receivers(s), weight, new WeightByTap(s), ArrayView<float>.Empty, partial, dx, InputProduct(s));
    }

    /// dWeight (O,Kh,Kw,C) in F32 is added to.
    public static void BackwardWeightTensorCore(
        KernelContext k, ArrayView<ushort> x, ArrayView<ushort> dy, ArrayView<float> partial, ArrayView<float> dWeight, Conv2dShape s)
    {
        using LaunchScope launch = k.Scope("Conv2d.BackwardWeight", s, WorkOf(s, sizeof(ushort)));
        CheckTensorCore(x.Length, dWeight.Length, dy.Length, partial.Length, s);
        Product.TensorCore(
            k, dy, new OuterContiguous(s.O, s.B * s.OutH * s.OutW), x, new WindowsByTap(s), ArrayView<float>.Empty, partial, dWeight, WeightProduct(s));
    }

    static void CheckTensorCore(long input, long weight, long output, long partial, Conv2dShape s)
    {
        if (!FitsTensorCore(s))
            throw new ArgumentException($"Conv2d: C = {s.C} and O = {s.O} must be multiples of {TileShape.Piece} for the tensor cores", nameof(s));
        if (input < s.InputCount || weight < s.WeightCount || output < s.OutputCount || partial < TensorCoreScratch(s))
            throw new ArgumentException($"Conv2d: input, weight, output, partial hold {input}, {weight}, {output}, {partial} numbers: too few for {s}");
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("B=1 H=6 W=6 C=16 O=16 kernel=3 stride=1 padding=1", "MatMul.Forward<Windows, InnerContiguous>")]
    internal static void ForwardTensorCoreTrial(Trial t)
    {
        Conv2dShape s = TrialShape(t);
        Halves x = t.Halves(s.InputCount), weight = t.Halves(s.WeightCount);
        Floats bias = t.Normal(s.O), partial = t.Scratch(TensorCoreScratch(s)), y = t.Result(s.OutputCount, Trial.SumOf(s.Kh * s.Kw * s.C));
        t.Run(() => ForwardTensorCore(t.Kernels, x, weight, bias, partial, y, s), () => Reference.Forward(x, weight, bias, y, s));
    }

    [Trial("B=1 H=6 W=6 C=16 O=16 kernel=3 stride=1 padding=1", "MatMul.Forward<Receivers, WeightByTap>")]
    internal static void BackwardInputTensorCoreTrial(Trial t)
    {
        Conv2dShape s = TrialShape(t);
        Halves dy = t.Halves(s.OutputCount), weight = t.Halves(s.WeightCount);
        Floats partial = t.Scratch(TensorCoreScratch(s)), dx = t.Result(s.InputCount, Trial.SumOf(s.Kh * s.Kw * s.O));
        t.Run(() => BackwardInputTensorCore(t.Kernels, dy, weight, partial, dx, s), () => Reference.BackwardInput(dy, weight, dx, s));
    }

    [Trial("B=1 H=6 W=6 C=16 O=16 kernel=3 stride=1 padding=1", "MatMul.Forward<OuterContiguous, WindowsByTap>")]
    internal static void BackwardWeightTensorCoreTrial(Trial t)
    {
        Conv2dShape s = TrialShape(t);
        Halves x = t.Halves(s.InputCount), dy = t.Halves(s.OutputCount);
        Floats partial = t.Scratch(TensorCoreScratch(s)), dWeight = t.Changed(s.WeightCount, Trial.SumOf(s.B * s.OutH * s.OutW));
        t.Run(() => BackwardWeightTensorCore(t.Kernels, x, dy, partial, dWeight, s), () => Reference.BackwardWeight(x, dy, dWeight, s));
    }
}
