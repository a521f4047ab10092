using ILGPU;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Kernels.MatMul;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.MatMul.MatMul;

namespace IlgpuDiffusion.Ops;

/// y = x Wᵀ + b + residual;   dx = dy W,   dW += dyᵀ x,   db += Σ_rows dy,   d residual = dy. Keeps x, and only where W wants a gradient needs it.
public static class Linear
{
    /// x (…, K), weight (N, K), bias (N) or null, residual (…, N) or null; returns (…, N).
    public static Tensor Forward(Tape tape, Tensor x, Tensor weight, Tensor? bias, Tensor? residual = null)
    {
        if (weight.Shape.Rank != 2 || x.Shape.Rank < 1 || x.Shape[-1] != weight.Shape[1])
            throw new ArgumentException($"Linear: x {x.Shape} does not fit the weight {weight.Shape}: its last axis must be the weight's second");
        if (bias is not null && bias.Count != weight.Shape[0])
            throw new ArgumentException($"Linear: bias {bias.Shape} does not fit the weight {weight.Shape}");
        Tensor y = tape.New(x.Shape.WithLast(weight.Shape[0]));
        CheckResidual("Linear", residual, y);
        int rows = checked((int)x.Shape.Rows);
        MatMulShape s = new(1, rows, weight.Shape[0], weight.Shape[1], TransposeB: true);
        Kernel.Forward(tape.Kernels, x.View, weight.View, bias?.View ?? ArrayView<float>.Empty, y.View, s, residual?.View ?? ArrayView<float>.Empty);
        tape.Record(y, [x, weight, bias, residual], dy =>
        {
            tape.AccumulateResidual(residual, dy);
            Backward(tape, x, weight, bias, dy, s);
        });
        return y;
    }

    internal static void CheckResidual(string op, Tensor? residual, Tensor y)
    {
        if (residual is not null && residual.Shape != y.Shape)
            throw new ArgumentException($"{op}: a residual {residual.Shape} does not fit the result {y.Shape}");
    }

    static void Backward(Tape tape, Tensor x, Tensor weight, Tensor? bias, Tensor dy, MatMulShape s)
    {
        if (x.RequiresGrad)
        {
            Tensor dx = tape.New(x.Shape);
            Kernel.Forward(tape.Kernels, dy.View, weight.View, ArrayView<float>.Empty, dx.View, new MatMulShape(1, s.M, s.K, s.N));
            tape.Accumulate(x, dx);
        }

        BackwardParameters(tape, x, weight, bias, dy, s);
    }

    /// dW and db, where wanted; shared with the adapted layer.
    internal static void BackwardParameters(Tape tape, Tensor x, Tensor weight, Tensor? bias, Tensor dy, MatMulShape s)
    {
        if (weight.RequiresGrad)
        {
            MatMulShape grad = new(1, s.N, s.K, s.M, TransposeA: true, Accumulate: true);
            Kernel.Forward(tape.Kernels, dy.View, x.View, ArrayView<float>.Empty, tape.GradOf(weight).View, grad);
        }

        if (bias is { RequiresGrad: true })
            BiasGradient.Accumulate(tape.Kernels, dy.View, tape.GradOf(bias).View, s.M, s.N);
    }
}
