using ILGPU;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Kernels.Adapters;
using IlgpuDiffusion.Kernels.MatMul;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Adapters.LoraLinear;

namespace IlgpuDiffusion.Ops;

/// y = x Wᵀ + b + s (x Aᵀ) Bᵀ + residual, W's change s·B·A never formed. Keeps x and x Aᵀ.
public static class LoraLinear
{
    /// x (…, K), weight (N, K), bias (N) or null, down A (r, K), up B (N, r); or one pair for each of the S samples along x's first axis:
    /// down (S, r, K), up (S, N, r). residual (…, N) or null. Returns (…, N).
    public static Tensor Forward(Tape tape, Tensor x, Tensor weight, Tensor? bias, Tensor down, Tensor up, float scale, Tensor? residual = null)
    {
        LoraShape s = ShapeOf(x.Shape, weight.Shape, down.Shape, up.Shape);
        Tensor y = tape.New(x.Shape.WithLast(s.Out));
        Linear.CheckResidual("LoraLinear", residual, y);
        Tensor xa = tape.New([s.Samples * s.Rows, s.Rank]);
        Kernel.Forward(
            tape.Kernels, x.View, weight.View, bias?.View ?? ArrayView<float>.Empty, down.View, up.View, scale, y.View, xa.View, s,
            residual?.View ?? ArrayView<float>.Empty);
        tape.Record(y, [x, weight, bias, down, up, residual], dy =>
        {
            tape.AccumulateResidual(residual, dy);
            Backward(tape, x, weight, bias, down, up, scale, xa, dy, s);
        });
        return y;
    }

    static void Backward(
        Tape tape, Tensor x, Tensor weight, Tensor? bias, Tensor down, Tensor up, float scale, Tensor xa, Tensor dy, LoraShape s)
    {
        if (x.RequiresGrad || down.RequiresGrad)
        {
            Tensor dya = tape.New(xa.Shape);
            Kernel.BackwardProject(tape.Kernels, dy.View, up.View, dya.View, s);
            if (x.RequiresGrad)
            {
                Tensor dx = tape.New(x.Shape);
                Kernel.BackwardInput(tape.Kernels, dy.View, weight.View, down.View, dya.View, scale, dx.View, s);
                tape.Accumulate(x, dx);
            }

            if (down.RequiresGrad)
                Kernel.BackwardA(tape.Kernels, x.View, dya.View, scale, tape.GradOf(down).View, s);
        }

        if (up.RequiresGrad)
            Kernel.BackwardB(tape.Kernels, xa.View, dy.View, scale, tape.GradOf(up).View, s);
        Linear.BackwardParameters(tape, x, weight, bias, dy, new MatMulShape(1, s.Samples * s.Rows, s.Out, s.In, TransposeB: true));
    }

    static LoraShape ShapeOf(Shape x, Shape weight, Shape down, Shape up)
    {
        bool perSample = down.Rank == 3;
        int samples = perSample ? down[0] : 1;
        if (down.Rank is not (2 or 3) || up.Rank != down.Rank || weight.Rank != 2 || down[-1] != weight[1] || up[-2] != weight[0] || up[-1] != down[-2]
            || (perSample && up[0] != samples))
        {
            throw new ArgumentException($"LoraLinear: down {down} and up {up} do not fit the weight {weight}: want (r, in) and (out, r), or one pair a sample");
        }

        if (x[-1] != weight[1] || (perSample && (x.Rank < 2 || x[0] != samples)))
            throw new ArgumentException($"LoraLinear: x {x} does not fit the weight {weight} and the factors {down}");
        return new LoraShape(samples, checked((int)(x.Rows / Math.Max(1, samples))), weight[1], weight[0], down[-2]);
    }
}
