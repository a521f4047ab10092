using IlgpuDiffusion.Kernels.Optim;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Optim.Sgd;

namespace IlgpuDiffusion.Training;

/// torch's names and defaults.
public sealed record SgdSettings
{
    public float LearningRate { get; init; } = 1e-3f;

    public float Momentum { get; init; }

    public float Dampening { get; init; }

    public float WeightDecay { get; init; }

    public bool Nesterov { get; init; }
}

/// SGD with momentum over whole <see cref="Weights"/>.
public sealed class Sgd : IDisposable
{
    readonly DeviceBuffer memory;
    readonly Tensor buffer;

    public Sgd(Weights weights, SgdSettings settings)
    {
        Weights = weights;
        Settings = settings;
        weights.RequireGrad(true);
        memory = weights.Device!.Allocate(weights.Values.Count * sizeof(float), $"{weights.Owner} SGD");
        buffer = memory.Tensor(0, weights.Values.Shape);
        weights.Device.Kernels.Clear(buffer.View);
    }

    public Weights Weights { get; }

    public SgdSettings Settings { get; }

    public long StepCount { get; private set; }

    public void Step(double rateFactor = 1, float gradScale = 1)
    {
        SgdStep step = new(
            (float)(Settings.LearningRate * rateFactor), Settings.Momentum, Settings.Dampening, Settings.WeightDecay, gradScale, Settings.Nesterov ? 1 : 0, StepCount == 0 ? 1 : 0);
        StepCount++;
        Kernel.Step(Weights.Device!.Kernels, Weights.Values.View, Weights.Grads.View, buffer.View, step);
    }

    public void Dispose() => memory.Dispose();
}
