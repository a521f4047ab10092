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

    // Positions of latents in one batch: sixteen pictures of 16 × 16, one of 512 × 512.
    const int PositionsAtOnce = 16 * 16 * 16;

    // Pairs of a large latent have as many numbers of noise to average over, so fewer do.
    const int MostPairs = 64, FewestPairs = 8, PositionsInAll = MostPairs * 16 * 16;

    internal static int PairsAtOnce(Shape shape) => (int)Math.Max(1, PositionsAtOnce / ((long)shape[0] * shape[1]));

    /// `latent`: (h, w, L), scaled
    public static double Measure(DiffusionModel model, Arena arena, ReadOnlySpan<float> latent, Shape shape, string prompt, int? pairs = null, ulong seed = 1)
    {
        int all = pairs ?? (int)Math.Clamp(PositionsInAll / ((long)shape[0] * shape[1]), FewestPairs, MostPairs);
        NoiseSchedule schedule = new(model.Scheduler);
        int[] timesteps = Timesteps.Stratified(new RngStream(seed, TimeStream, 0), all, schedule.Count);
        int[] ids = model.Tokenizer.EncodePadded(prompt, model.TextEncoder.Config.MaxPositionEmbeddings);
        int each = (int)shape.Count, batch = Math.Min(all, PairsAtOnce(shape));
        Tape once = new(arena, recording: false);
        Tensor state = model.TextEncoder.Forward(once, ids, 1);
        float[] text = state.ToArray();
        Shape words = [state.Shape[1], state.Shape[2]];
        arena.Reset();
        double sum = 0;
        for (int start = 0; start < all; start += batch)
        {
            int now = Math.Min(batch, all - start);
            float[] x0 = new float[now * each], noise = new float[now * each];
            for (int i = 0; i < now; i++)
                latent.CopyTo(x0.AsSpan(i * each));
            new RngStream(seed, NoiseStream, 0).FillNormal(noise, (long)start * each);
            NoisyBatch noisy = new(x0, noise, timesteps[start..(start + now)], [now, shape[0], shape[1], shape[2]]);
            Tape tape = new(arena, recording: false);
            Tensor context = tape.From([.. Enumerable.Repeat(text, now).SelectMany(x => x)], [now, words[0], words[1]]);
            sum += now * (double)DenoisingLoss.Forward(tape, model.UNet, schedule, noisy, context).Item();
            arena.Reset();
        }

        arena.Release();
        return sum / all;
    }
}
