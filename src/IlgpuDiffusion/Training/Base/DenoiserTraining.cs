using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tensors.Rng;

namespace IlgpuDiffusion.Training.Base;

/// Settings of the UNet's and the text encoder's training.
public sealed record DenoiserRecipe
{
    public int Steps { get; init; } = 12000;

    public int Batch { get; init; } = 20;

    public double LearningRate { get; init; } = 8e-4;

    public int WarmupSteps { get; init; } = 200;

    public double RealShare { get; init; } = 0.5;

    /// Share of captions replaced by the empty one, for classifier-free guidance (Ho and Salimans 2022).
    public double CaptionDropout { get; init; } = 0.1;

    /// γ of Min-SNR weighting (Hang et al. 2023). Without it half of the loss comes from the sixth of the timesteps with the least noise (measured on eight held-out
    /// people), where a latent of 16 × 16 can hardly be told from the noise on it; the shape of a face is learned from the rest.
    public double MinSnrGamma { get; init; } = 5;

    public ulong Seed { get; init; } = 2;
}

/// Trains UNet and text encoder together on latents: ε-loss with Min-SNR weights, timesteps stratified over the batch.
public sealed class DenoiserTraining(UNet unet, ClipTextModel text, NoiseSchedule schedule, PictureSet pictures, LatentSet latents, Func<string, int[]> encode, DenoiserRecipe recipe)
{
    const uint BatchStream = 1, NoiseStream = 2, TimeStream = 3, DropStream = 4;

    readonly int[] empty = encode("");

    public Tensor Loss(Tape tape, long step)
    {
        int[] batch = pictures.Batch(new RngStream(recipe.Seed, BatchStream, (ulong)step), recipe.Batch, recipe.RealShare);
        int each = (int)latents.Each.Count;
        float[] x0 = new float[batch.Length * each], noise = new float[batch.Length * each];
        new RngStream(recipe.Seed, NoiseStream, (ulong)step).FillNormal(noise);
        RngStream drop = new(recipe.Seed, DropStream, (ulong)step);
        List<int> ids = [];
        for (int b = 0; b < batch.Length; b++)
        {
            latents[batch[b]].CopyTo(x0.AsSpan(b * each, each));
            ids.AddRange(drop.Uniform(b) < recipe.CaptionDropout ? empty : encode(pictures[batch[b]].Caption));
        }

        // The permutation keeps photographs, which come first in a batch, from always having the small timesteps.
        RngStream time = new(recipe.Seed, TimeStream, (ulong)step);
        int[] order = new RngStream(recipe.Seed, TimeStream + 10, (ulong)step).Permutation(batch.Length);
        int[] timesteps = Timesteps.Stratified(time, batch.Length, schedule.Count);
        int[] shuffled = [.. order.Select(i => timesteps[i])];
        NoisyBatch noisy = new(x0, noise, shuffled, [batch.Length, latents.Each[0], latents.Each[1], latents.Each[2]]);
        Tensor context = text.Forward(tape, [.. ids], batch.Length);
        return DenoisingLoss.Forward(tape, unet, schedule, noisy, context, schedule.LossWeights(shuffled, new MinSnr(recipe.MinSnrGamma)));
    }
}
