using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Diffusion;

/// L = mean_b w_b · mean m ‖f_θ(α_t x₀ + σ_t ε, t, c) − target‖²  (Ho et al. 2020, eq. 14), target = ε or v as the model predicts, m a mask where the batch has one. The mean is over all
/// positions, also those that the mask leaves out, as in kohya's sd-scripts (`--masked_loss`): a small face does not count for more than a large one.
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
            schedule.AddNoise(t, x0, (batch.InputNoise ?? batch.Noise).AsSpan(b * each, each), noisy.AsSpan(b * each, each));
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
        return batch.Mask is { } mask
            ? Masked(tape, prediction, tape.From(target, batch.Shape), mask, weights)
            : Ops.Mse.Forward(tape, prediction, tape.From(target, batch.Shape), null, weights);
    }

    // The op takes the mean over what the mask selects, which is 1 / (the mask's mean) times the mean over all.
    static Tensor Masked(Tape tape, Tensor prediction, Tensor target, float[] mask, ReadOnlySpan<float> weights)
    {
        int samples = prediction.Shape[0];
        double selected = mask.Average(m => (double)m);
        float[] share = new float[samples];
        for (int b = 0; b < samples; b++)
            share[b] = (float)(selected * (weights.Length > 0 ? weights[b] : 1));
        return Ops.Mse.Forward(tape, prediction, target, tape.From([.. Enumerable.Repeat(mask, samples).SelectMany(m => m)], prediction.Shape.WithLast(1)), share);
    }
}
