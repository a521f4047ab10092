using IlgpuDiffusion.Kernels.Optim;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Training;

/// Clipping by the global norm, torch's clip_grad_norm_: coef = min(1, max_norm / (norm + 1e-6)). The optimiser multiplies while it steps,
/// so clipping costs no pass of its own.
public static class GradNorm
{
    /// √Σg² over all gradients of all these weights.
    public static double Of(Arena arena, params ReadOnlySpan<Weights> sets)
    {
        double sum = 0;
        foreach (Weights weights in sets)
        {
            if (weights.Grads.Count == 0)
                continue;
            Tensor partial = arena.New([SumOfSquares.Blocks(weights.Grads.Count)]);
            SumOfSquares.Partial(arena.Device.Kernels, weights.Grads.View, partial.View);
            foreach (float value in partial.ToArray())
                sum += value;
        }

        return Math.Sqrt(sum);
    }

    /// What gradients are multiplied by so that their norm does not exceed `maxNorm`.
    public static float Coefficient(double norm, double maxNorm) => (float)Math.Min(1, maxNorm / (norm + 1e-6));
}
