using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.MatMul;
using IlgpuDiffusion.Kernels.Trials;
using Product = IlgpuDiffusion.Kernels.MatMul.MatMul;

namespace IlgpuDiffusion.Kernels.Adapters;

/// Sizes of an adapted linear layer. x is (Samples, Rows, In); with Samples = 1 all rows share the factors, else each sample has its own:
/// A (Samples, Rank, In) and B (Samples, Out, Rank). W (Out, In) is always shared.
public readonly record struct LoraShape(int Samples, int Rows, int In, int Out, int Rank)
{
    /// Of the forward pass, and of the input's gradient; `element`: bytes of a number of the operands.
    internal Work Work(int element)
    {
        long rows = (long)Samples * Rows, ends = (long)In + Out;
        return new Work(2 * rows * (((long)In * Out) + (Rank * ends)), element * ((rows * ends) + ((long)In * Out) + (Samples * Rank * ends)));
    }

    /// Of a product of the rows with one factor, whose other extent is `width`.
    internal Work FactorWork(int width)
    {
        long rows = (long)Samples * Rows;
        return Common.Work.Of(2 * rows * Rank * width, (rows * (width + Rank)) + ((long)Samples * Rank * width));
    }
}

/// y = x Wᵀ + bias + s (x Aᵀ) Bᵀ + residual,   kept: xa = x Aᵀ.
/// With dya = dy B:   dx = dy W + s dya A,   dA += s dyaᵀ x,   dB += s dyᵀ xa.   ΔW = s B A is never formed.
/// On `cpu` the low-rank term rides along with W's product as `Rank` more steps of the inner sum, [x | s·xa] · [W | B]ᵀ, so y is written once.
public static partial class LoraLinear
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(
            ReadOnlySpan<float> x, ReadOnlySpan<float> weight, ReadOnlySpan<float> bias, ReadOnlySpan<float> a, ReadOnlySpan<float> b,
            float scale, Span<float> y, Span<float> xa, LoraShape s, ReadOnlySpan<float> residual = default)
        {
            Product.Reference.Forward(x, weight, bias, y, new MatMulShape(1, s.Samples * s.Rows, s.Out, s.In, TransposeB: true), residual);
            Product.Reference.Forward(x, a, [], xa, Down(s));
            Product.Reference.Forward(xa, b, [], y, Up(s, scale));
        }

        public static void BackwardInput(
            ReadOnlySpan<float> dy, ReadOnlySpan<float> weight, ReadOnlySpan<float> a, ReadOnlySpan<float> b, float scale, Span<float> dx,
            Span<float> dya, LoraShape s)
        {
            Product.Reference.Forward(dy, weight, [], dx, new MatMulShape(1, s.Samples * s.Rows, s.In, s.Out));
            Product.Reference.Forward(dy, b, [], dya, BackUp(s));
            Product.Reference.Forward(dya, a, [], dx, BackDown(s, scale));
        }

        public static void BackwardFactors(
            ReadOnlySpan<float> x, ReadOnlySpan<float> xa, ReadOnlySpan<float> dy, ReadOnlySpan<float> dya, float scale, Span<float> da, Span<float> db,
            LoraShape s)
        {
            Product.Reference.Forward(dya, x, [], da, GradA(s, scale));
            Product.Reference.Forward(dy, xa, [], db, GradB(s, scale));
        }
    }

    // ---- the five small products -------------------------------------------------------------------
    static MatMulShape Down(LoraShape s) => new(s.Samples, s.Rows, s.Rank, s.In, TransposeB: true);

    static MatMulShape Up(LoraShape s, float scale) => new(s.Samples, s.Rows, s.Out, s.Rank, TransposeB: true, Accumulate: true, Scale: scale);

    static MatMulShape BackUp(LoraShape s) => new(s.Samples, s.Rows, s.Rank, s.Out);

    static MatMulShape BackDown(LoraShape s, float scale) => new(s.Samples, s.Rows, s.In, s.Rank, Accumulate: true, Scale: scale);

    static MatMulShape GradA(LoraShape s, float scale) => new(s.Samples, s.Rank, s.In, s.Rows, TransposeA: true, Accumulate: true, Scale: scale);

    static MatMulShape GradB(LoraShape s, float scale) => new(s.Samples, s.Out, s.Rank, s.Rows, TransposeA: true, Accumulate: true, Scale: scale);

    // ---- launchers ---------------------------------------------------------------------------------

    /// x (S,T,In), weight (Out,In), bias (Out) or empty, a and b as <see cref="LoraShape"/> says, residual (S,T,Out) or empty; y (S,T,Out) and xa (S,T,Rank)
    /// are written.
    public static void Forward(
        KernelContext k, ArrayView<float> x, ArrayView<float> weight, ArrayView<float> bias, ArrayView<float> a, ArrayView<float> b,
        float scale, ArrayView<float> y, ArrayView<float> xa, LoraShape s, ArrayView<float> residual = default)
    {
        using LaunchScope launch = k.Scope("LoraLinear.Forward", s, s.Work(sizeof(float)).WithResidual(residual.Length));
        Check(x, weight, a, b, y, xa, s);
        if (residual.Length > 0 && residual.Length != y.Length)
            throw new ArgumentException($"LoraLinear: a residual of {residual.Length} floats does not fit y's {y.Length}", nameof(residual));
        Product.Forward(k, x, a, ArrayView<float>.Empty, xa, Down(s));
        if (k.Cpu is { } cpu)
        {
            ForwardCpu(cpu, x, weight, bias, b, scale, y, xa, s, residual, MatMul.Cpu.CpuIsas.Best);
            return;
        }

        Product.Forward(k, x, weight, bias, y, new MatMulShape(1, s.Samples * s.Rows, s.Out, s.In, TransposeB: true), residual);
        Product.Forward(k, xa, b, ArrayView<float>.Empty, y, Up(s, scale));
    }

    /// dya = dy B (S,T,Rank): what the other two backward passes start from.
    public static void BackwardProject(KernelContext k, ArrayView<float> dy, ArrayView<float> b, ArrayView<float> dya, LoraShape s)
    {
        using LaunchScope launch = k.Scope("LoraLinear.BackwardProject", s, s.FactorWork(s.Out));
        Product.Forward(k, dy, b, ArrayView<float>.Empty, dya, BackUp(s));
    }

    /// dx (S,T,In) is written.
    public static void BackwardInput(
        KernelContext k, ArrayView<float> dy, ArrayView<float> weight, ArrayView<float> a, ArrayView<float> dya, float scale, ArrayView<float> dx,
        LoraShape s)
    {
        using LaunchScope launch = k.Scope("LoraLinear.BackwardInput", s, s.Work(sizeof(float)));
        if (k.Cpu is { } cpu)
        {
            BackwardInputCpu(cpu, dy, weight, a, dya, scale, dx, s, MatMul.Cpu.CpuIsas.Best);
            return;
        }

        Product.Forward(k, dy, weight, ArrayView<float>.Empty, dx, new MatMulShape(1, s.Samples * s.Rows, s.In, s.Out));
        Product.Forward(k, dya, a, ArrayView<float>.Empty, dx, BackDown(s, scale));
    }

    /// dA is added to.
    public static void BackwardA(KernelContext k, ArrayView<float> x, ArrayView<float> dya, float scale, ArrayView<float> da, LoraShape s)
    {
        using LaunchScope launch = k.Scope("LoraLinear.BackwardA", s, s.FactorWork(s.In));
        Product.Forward(k, dya, x, ArrayView<float>.Empty, da, GradA(s, scale));
    }

    /// dB is added to.
    public static void BackwardB(KernelContext k, ArrayView<float> xa, ArrayView<float> dy, float scale, ArrayView<float> db, LoraShape s)
    {
        using LaunchScope launch = k.Scope("LoraLinear.BackwardB", s, s.FactorWork(s.Out));
        Product.Forward(k, dy, xa, ArrayView<float>.Empty, db, GradB(s, scale));
    }

    static void Check(
        ArrayView<float> x, ArrayView<float> weight, ArrayView<float> a, ArrayView<float> b, ArrayView<float> y, ArrayView<float> xa, LoraShape s)
    {
        long rows = (long)s.Samples * s.Rows;
        if (x.Length < rows * s.In || y.Length < rows * s.Out || xa.Length < rows * s.Rank || weight.Length < (long)s.Out * s.In
            || a.Length < (long)s.Samples * s.Rank * s.In || b.Length < (long)s.Samples * s.Out * s.Rank)
        {
            throw new ArgumentException(
                $"LoraLinear: x, weight, a, b, y, xa hold {x.Length}, {weight.Length}, {a.Length}, {b.Length}, {y.Length}, {xa.Length} floats: too few for {s}");
        }
    }

    // ---- trials ------------------------------------------------------------------------------------
    const float TrialScale = 0.7f;

    [Trial("samples=1 rows=20 in=24 out=32 rank=4")]
    internal static void ForwardTrial(Trial t)
    {
        LoraShape s = new(t["samples"], t["rows"], t["in"], t["out"], t["rank"]);
        (long rows, long factors) = ((long)s.Samples * s.Rows, (long)s.Samples * s.Rank);
        Floats x = t.Normal(rows * s.In), weight = t.Normal((long)s.Out * s.In), bias = t.Normal(s.Out), a = t.Normal(factors * s.In), b = t.Normal(factors * s.Out);
        Floats y = t.Result(rows * s.Out, Trial.SumOf((long)s.In + s.Rank)), xa = t.Result(rows * s.Rank, Trial.SumOf(s.In));
        t.Run(() => Forward(t.Kernels, x, weight, bias, a, b, TrialScale, y, xa, s), () => Reference.Forward(x, weight, bias, a, b, TrialScale, y, xa, s));
    }

    [Trial("samples=1 rows=20 in=24 out=32 rank=4")]
    internal static void BackwardInputTrial(Trial t)
    {
        LoraShape s = new(t["samples"], t["rows"], t["in"], t["out"], t["rank"]);
        (long rows, long factors) = ((long)s.Samples * s.Rows, (long)s.Samples * s.Rank);
        Floats dy = t.Normal(rows * s.Out), weight = t.Normal((long)s.Out * s.In), a = t.Normal(factors * s.In), b = t.Normal(factors * s.Out);
        Floats dx = t.Result(rows * s.In, Trial.SumOf((long)s.Out + s.Rank)), dya = t.Result(rows * s.Rank, Trial.SumOf(s.Out));
        void Launch()
        {
            BackwardProject(t.Kernels, dy, b, dya, s);
            BackwardInput(t.Kernels, dy, weight, a, dya, TrialScale, dx, s);
        }

        t.Run(Launch, () => Reference.BackwardInput(dy, weight, a, b, TrialScale, dx, dya, s));
    }

    [Trial("samples=1 rows=20 in=24 out=32 rank=4")]
    internal static void BackwardFactorsTrial(Trial t)
    {
        LoraShape s = new(t["samples"], t["rows"], t["in"], t["out"], t["rank"]);
        (long rows, long factors) = ((long)s.Samples * s.Rows, (long)s.Samples * s.Rank);
        Floats x = t.Normal(rows * s.In), xa = t.Normal(rows * s.Rank), dy = t.Normal(rows * s.Out), dya = t.Normal(rows * s.Rank);
        Floats da = t.Changed(factors * s.In, Trial.SumOf(s.Rows)), db = t.Changed(factors * s.Out, Trial.SumOf(s.Rows));
        void Launch()
        {
            BackwardA(t.Kernels, x, dya, TrialScale, da, s);
            BackwardB(t.Kernels, xa, dy, TrialScale, db, s);
        }

        t.Run(Launch, () => Reference.BackwardFactors(x, xa, dy, dya, TrialScale, da, db, s));
    }
}
