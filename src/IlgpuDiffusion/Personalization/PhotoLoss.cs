using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tensors.Rng;

namespace IlgpuDiffusion.Personalization;

/// The denoising loss of a model on one photo: the mean of <see cref="DenoisingLoss"/> over fixed noise and one timestep from each of as many equal
/// parts of the schedule. The same pairs before and after finetuning, and for every photo, so the numbers can be compared.
public static class PhotoLoss
{
    const uint NoiseStream = 31, TimeStream = 32;
    const int Batch = 16;

    /// `latent`: (h, w, L), scaled
    public static double Measure(DiffusionModel model, Arena arena, ReadOnlySpan<float> latent, Shape shape, string prompt, int pairs = 64, ulong seed = 1)
    {
        NoiseSchedule schedule = new(model.Scheduler);
        int[] timesteps = Timesteps.Stratified(new RngStream(seed, TimeStream, 0), pairs, schedule.Count);
        int[] ids = model.Tokenizer.EncodePadded(prompt, model.TextEncoder.Config.MaxPositionEmbeddings);
        int each = (int)shape.Count;
        double sum = 0;
        for (int start = 0; start < pairs; start += Batch)
        {
            int count = Math.Min(Batch, pairs - start);
            float[] x0 = new float[count * each], noise = new float[count * each];
            for (int i = 0; i < count; i++)
                latent.CopyTo(x0.AsSpan(i * each));
            new RngStream(seed, NoiseStream, 0).FillNormal(noise, (long)start * each);
            NoisyBatch batch = new(x0, noise, timesteps[start..(start + count)], [count, shape[0], shape[1], shape[2]]);
            Tape tape = new(arena, recording: false);
            Tensor context = model.TextEncoder.Forward(tape, [.. Enumerable.Repeat(ids, count).SelectMany(x => x)], count);
            sum += count * (double)DenoisingLoss.Forward(tape, model.UNet, schedule, batch, context).Item();
            arena.Reset();
        }

        return sum / pairs;
    }
}
