namespace IlgpuDiffusion.Diffusion;

/// The network's output for samples (N, L, h, w) at a timestep, guidance included.
public delegate float[] Prediction(float[] samples, float timestep);

/// Follows a prediction from noise to samples.
public static class Sampler
{
    /// `latents`: (N, L, h, w), standard normal times the scheduler's first sigma; become the samples, in place. `scheduler` has its timesteps set.
    /// `first`: the call to begin at, for samples that have the noise of it.
    /// `noise` is what a stochastic scheduler draws from; `onStep` gets step and latents after it.
    public static void Run(Prediction predict, IScheduler scheduler, float[] latents, NormalSource? noise = null, Action<int, ReadOnlySpan<float>>? onStep = null, int first = 0)
    {
        float[] input = new float[latents.Length];
        scheduler.BeginAt(first);
        for (int i = first; i < scheduler.Timesteps.Count; i++)
        {
            latents.CopyTo(input, 0);
            scheduler.ScaleModelInput(i, input);
            scheduler.Step(i, predict(input, scheduler.Timesteps[i]), latents, noise);
            onStep?.Invoke(i, latents);
        }
    }
}
