using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Spatial.BatchNorm;

namespace IlgpuDiffusion.Ops;

/// Batch norm in evaluation: y = (x − mean)/√(var + eps)·weight + bias with stored statistics, which get no gradient. x (…, C), the rest (C).
/// Keeps x for the gradient of the weight.
public static class BatchNorm
{
    public static Tensor Forward(Tape tape, Tensor x, Tensor weight, Tensor bias, Tensor runningMean, Tensor runningVar, float eps)
    {
        foreach (Tensor p in (Tensor[])[weight, bias, runningMean, runningVar])
        {
            if (x.Shape.Rank == 0 || p.Shape != Shape.Create([x.Shape[-1]]))
                throw new ArgumentException($"BatchNorm: {p.Shape} is not one value a channel of {x.Shape}");
        }

        int c = x.Shape[-1];
        Tensor y = tape.New(x.Shape);
        Kernel.Forward(tape.Kernels, x.View, weight.View, bias.View, runningMean.View, runningVar.View, eps, y.View, c);
        tape.Record(y, [x, weight, bias], dy =>
        {
            if (weight.RequiresGrad)
                Kernel.BackwardWeight(tape.Kernels, x.View, runningMean.View, runningVar.View, eps, dy.View, tape.GradOf(weight).View, c);
            if (bias.RequiresGrad)
                ColumnSum.Forward(tape.Kernels, dy.View, tape.GradOf(bias).View, 1, (int)x.Shape.Rows, c, accumulate: true);
            if (!x.RequiresGrad)
                return;
            Tensor dx = tape.New(x.Shape);
            Kernel.BackwardInput(tape.Kernels, weight.View, runningVar.View, eps, dy.View, dx.View, c);
            tape.Accumulate(x, dx);
        });
        return y;
    }
}
