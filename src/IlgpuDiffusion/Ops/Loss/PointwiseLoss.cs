using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Kernels.Loss;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Loss.PointwiseLoss;

namespace IlgpuDiffusion.Ops;

/// A loss of x − target, as a scalar (shape []). Without mask and weights it is the mean over all elements. With a mask, the mean over what the
/// mask selects: Σ m·f / Σ m. With sample weights, the mean over the batch of w[b] times the (masked) mean over sample b.
/// Keeps x and target.
static class PointwiseLoss
{
    public static Tensor Forward<T>(
        Tape tape, string op, Tensor x, Tensor target, Tensor? mask = null, ReadOnlySpan<float> sampleWeights = default, float beta = 0)
        where T : struct, IPointwiseLoss
    {
        if (x.Shape != target.Shape)
            throw new ArgumentException($"{op}: {x.Shape} and its target {target.Shape} differ");
        if (mask is not null && mask.Shape != x.Shape && mask.Shape != x.Shape.WithLast(1))
            throw new ArgumentException($"{op}: a mask {mask.Shape} for {x.Shape}: it needs the same shape, or 1 on the last axis");
        if (sampleWeights.Length > 0 && (x.Shape.Rank == 0 || sampleWeights.Length != x.Shape[0]))
            throw new ArgumentException($"{op}: {sampleWeights.Length} sample weights for {x.Shape}");

        int samples = Math.Max(1, sampleWeights.Length);
        LossWeights weights = new(samples, checked((int)(x.Count / samples)), mask is null ? 0 : (int)(x.Count / mask.Count));
        float[] coefficients = sampleWeights.Length > 0 ? sampleWeights.ToArray() : [1];
        float share = 1f / (mask is null ? x.Count : samples);
        for (int s = 0; s < samples; s++)
            coefficients[s] *= share;
        Tensor coefficient = tape.From(coefficients, [samples]);
        if (mask is not null)
            Kernel.MaskMean(tape.Kernels, mask.View, coefficient.View, weights);

        Tensor loss = tape.New([]);
        Tensor partial = tape.New([samples, weights.Tiles]);
        Kernel.Forward<T>(tape.Kernels, x.View, target.View, (mask ?? x).View, coefficient.View, partial.View, loss.View, weights, beta);
        tape.Record(loss, [x, target], dLoss =>
        {
            Tensor dx = tape.New(x.Shape);
            Kernel.Backward<T>(tape.Kernels, x.View, target.View, (mask ?? x).View, coefficient.View, dLoss.View, dx.View, weights, beta);
            tape.Accumulate(x, dx);
            if (!target.RequiresGrad)
                return;
            Tensor dTarget = tape.New(x.Shape);
            Kernels.Elementwise.Scale.Forward(tape.Kernels, dx.View, -1, dTarget.View);
            tape.Accumulate(target, dTarget);
        });
        return loss;
    }
}
