using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.MatMul;
using Product = IlgpuDiffusion.Kernels.MatMul.MatMul;

namespace IlgpuDiffusion.Kernels.Adapters;

/// Sizes of an adapted linear layer. x is (Samples, Rows, In); with Samples = 1 all rows share the factors, else each sample has its own:
/// A (Samples, Rank, In) and B (Samples, Out, Rank). W (Out, In) is always shared.
public readonly record struct LoraShape(int Samples, int Rows, int In, int Out, int Rank);

/// y = x Wᵀ + bias + s (x Aᵀ) Bᵀ,   kept: xa = x Aᵀ.
/// With dya = dy B:   dx = dy W + s dya A,   dA += s dyaᵀ x,   dB += s dyᵀ xa.   ΔW = s B A is never formed.
/// On `cpu` the low-rank term rides along with W's product as `Rank` more steps of the inner sum, [x | s·xa] · [W | B]ᵀ, so y is written once.
public static partial class LoraLinear
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(
            ReadOnlySpan<float> x, ReadOnlySpan<float> weight, ReadOnlySpan<float> bias, ReadOnlySpan<float> a, ReadOnlySpan<float> b,
            float scale, Span<float> y, Span<float> xa, LoraShape s)
        {
            Product.Reference.Forward(x, weight, bias, y, new MatMulShape(1, s.Samples * s.Rows, s.Out, s.In, TransposeB: true));
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

    /// x (S,T,In), weight (Out,In), bias (Out) or empty, a and b as <see cref="LoraShape"/> says; y (S,T,Out) and xa (S,T,Rank) are written.
    public static void Forward(
        KernelContext k, ArrayView<float> x, ArrayView<float> weight, ArrayView<float> bias, ArrayView<float> a, ArrayView<float> b,
        float scale, ArrayView<float> y, ArrayView<float> xa, LoraShape s)
    {
        Check(x, weight, a, b, y, xa, s);
        Product.Forward(k, x, a, ArrayView<float>.Empty, xa, Down(s));
        if (k.Cpu is { } cpu)
        {
            ForwardCpu(cpu, x, weight, bias, b, scale, y, xa, s, MatMul.Cpu.CpuIsas.Best);
            return;
        }

        Product.Forward(k, x, weight, bias, y, new MatMulShape(1, s.Samples * s.Rows, s.Out, s.In, TransposeB: true));
        Product.Forward(k, xa, b, ArrayView<float>.Empty, y, Up(s, scale));
    }

    /// dya = dy B (S,T,Rank): what the other two backward passes start from.
    public static void BackwardProject(KernelContext k, ArrayView<float> dy, ArrayView<float> b, ArrayView<float> dya, LoraShape s) =>
        Product.Forward(k, dy, b, ArrayView<float>.Empty, dya, BackUp(s));

    /// dx (S,T,In) is written.
    public static void BackwardInput(
        KernelContext k, ArrayView<float> dy, ArrayView<float> weight, ArrayView<float> a, ArrayView<float> dya, float scale, ArrayView<float> dx,
        LoraShape s)
    {
        if (k.Cpu is { } cpu)
        {
            BackwardInputCpu(cpu, dy, weight, a, dya, scale, dx, s, MatMul.Cpu.CpuIsas.Best);
            return;
        }

        Product.Forward(k, dy, weight, ArrayView<float>.Empty, dx, new MatMulShape(1, s.Samples * s.Rows, s.In, s.Out));
        Product.Forward(k, dya, a, ArrayView<float>.Empty, dx, BackDown(s, scale));
    }

    /// dA is added to.
    public static void BackwardA(KernelContext k, ArrayView<float> x, ArrayView<float> dya, float scale, ArrayView<float> da, LoraShape s) =>
        Product.Forward(k, dya, x, ArrayView<float>.Empty, da, GradA(s, scale));

    /// dB is added to.
    public static void BackwardB(KernelContext k, ArrayView<float> xa, ArrayView<float> dy, float scale, ArrayView<float> db, LoraShape s) =>
        Product.Forward(k, dy, xa, ArrayView<float>.Empty, db, GradB(s, scale));

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
}
