using IlgpuDiffusion.Kernels.Optim;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Optim.AdamW;

namespace IlgpuDiffusion.Training;

/// torch's defaults.
public sealed record AdamWSettings
{
    public double LearningRate { get; init; } = 1e-3;

    public double Beta1 { get; init; } = 0.9;

    public double Beta2 { get; init; } = 0.999;

    public double Epsilon { get; init; } = 1e-8;

    public double WeightDecay { get; init; } = 0.01;
}

/// AdamW over whole <see cref="Weights"/>: one launch for each. Both moments are kept beside the weights, in the same order and with the same gaps.
public sealed class AdamW : IDisposable
{
    readonly DeviceBuffer moments;

    public AdamW(Weights weights, AdamWSettings settings)
    {
        Weights = weights;
        Settings = settings;
        weights.RequireGrad(true);
        long count = weights.Values.Count;
        moments = weights.Device!.Allocate(2 * count * sizeof(float), $"{weights.Owner} AdamW");
        First = moments.Tensor(0, weights.Values.Shape);
        Second = moments.Tensor(count * sizeof(float), weights.Values.Shape);
        weights.Device.Kernels.Clear(First.View);
        weights.Device.Kernels.Clear(Second.View);
    }

    public Weights Weights { get; }

    public AdamWSettings Settings { get; }

    /// Steps taken so far; a checkpoint carries it.
    public long StepCount { get; set; }

    /// exp_avg and exp_avg_sq, laid out as <see cref="Weights.Values"/>.
    public Tensor First { get; }

    public Tensor Second { get; }

    /// One update with the gradients of the weights times `gradScale`, at the settings' learning rate times `rateFactor` (a schedule's value).
    public void Step(double rateFactor = 1, float gradScale = 1)
    {
        StepCount++;
        AdamWStep step = AdamWStep.At(
            StepCount, Settings.LearningRate * rateFactor, Settings.Beta1, Settings.Beta2, Settings.Epsilon, Settings.WeightDecay, gradScale);
        Kernel.Step(Weights.Device!.Kernels, Weights.Values.View, Weights.Grads.View, First.View, Second.View, step);
    }

    public void Dispose() => moments.Dispose();
}
