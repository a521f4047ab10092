using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Optim.Ema;

namespace IlgpuDiffusion.Training;

/// diffusers' EMAModel: the names and the warm-up are its own.
public sealed record EmaSettings
{
    public double Decay { get; init; } = 0.9999;

    public double MinDecay { get; init; }

    public int UpdateAfterStep { get; init; }

    public bool UseEmaWarmup { get; init; }

    public double InvGamma { get; init; } = 1;

    public double Power { get; init; } = 2.0 / 3;

    /// The decay that the update numbered `step` = 1, 2, … uses.
    public double At(long step)
    {
        long n = Math.Max(0, step - UpdateAfterStep - 1);
        if (n <= 0)
            return 0;
        double decay = UseEmaWarmup ? 1 - Math.Pow(1 + (n / InvGamma), -Power) : (1.0 + n) / (10.0 + n);
        return Math.Max(Math.Min(decay, Decay), MinDecay);
    }
}

/// A moving average of a model's weights, which is the model that ships.
public sealed class Ema : IDisposable
{
    readonly DeviceBuffer buffer;

    public Ema(Weights weights, EmaSettings settings)
    {
        Weights = weights;
        Settings = settings;
        buffer = weights.Device!.Allocate(weights.Values.Count * sizeof(float), $"{weights.Owner} EMA");
        Shadow = buffer.Tensor(0, weights.Values.Shape);
        weights.Device.Kernels.Copy(weights.Values.View, Shadow.View);
    }

    public Weights Weights { get; }

    public EmaSettings Settings { get; }

    public Tensor Shadow { get; }

    public long StepCount { get; set; }

    public void Step()
    {
        StepCount++;
        Kernel.Step(Weights.Device!.Kernels, Shadow.View, Weights.Values.View, (float)Settings.At(StepCount));
    }

    /// Exchanges the average and the weights; a second call puts them back.
    public void Swap(Arena arena)
    {
        KernelContext kernels = arena.Device.Kernels;
        Tensor spare = arena.New(Shadow.Shape);
        kernels.Copy(Weights.Values.View, spare.View);
        kernels.Copy(Shadow.View, Weights.Values.View);
        kernels.Copy(spare.View, Shadow.View);
        Weights.Changed();
    }

    public void Dispose() => buffer.Dispose();
}
