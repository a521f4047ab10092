using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Diffusion;

/// Clean latents, the noise and the timestep of each sample: (B, h, w, L), channels-last, on the host.
public sealed record NoisyBatch(float[] Latents, float[] Noise, int[] Timesteps, Shape Shape);

/// L = mean_b w_b · mean ‖f_θ(α_t x₀ + σ_t ε, t, c) − target‖²  (Ho et al. 2020, eq. 14), target = ε or v as the model predicts.
public static class DenoisingLoss
{
    /// `context`: (B, T, D)   `weights`: one a sample, or none   returns a scalar
    public static Tensor Forward(Tape tape, UNet unet, NoiseSchedule schedule, NoisyBatch batch, Tensor context, ReadOnlySpan<float> weights = default)
    {
        int samples = batch.Shape[0], each = (int)(batch.Shape.Count / samples);
        float[] noisy = new float[batch.Shape.Count], target = new float[batch.Shape.Count];
        for (int b = 0; b < samples; b++)
        {
            int t = batch.Timesteps[b];
            ReadOnlySpan<float> x0 = batch.Latents.AsSpan(b * each, each), noise = batch.Noise.AsSpan(b * each, each);
            schedule.AddNoise(t, x0, noise, noisy.AsSpan(b * each, each));
            Span<float> goal = target.AsSpan(b * each, each);
            switch (schedule.PredictionType)
            {
                case PredictionType.V:
                    schedule.Velocity(t, x0, noise, goal);
                    break;
                case PredictionType.Sample:
                    x0.CopyTo(goal);
                    break;
                default:
                    noise.CopyTo(goal);
                    break;
            }
        }

        Tensor prediction = unet.Forward(tape, tape.From(noisy, batch.Shape), Array.ConvertAll(batch.Timesteps, t => (float)t), context);
        return Ops.Mse.Forward(tape, prediction, tape.From(target, batch.Shape), null, weights);
    }
}
