using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Personalization;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tensors.Rng;
using IlgpuDiffusion.Tests.Personalization;

namespace IlgpuDiffusion.Tests.Diffusion;

/// The loss, and a finetuning's first one, against the formulas written out in double around the network's answer.
public sealed class DenoisingLossTests(TinyModel model) : IClassFixture<TinyModel>
{
    // A mean of 768 squares in float32.
    const double Tolerance = 2e-6;

    const double Offset = 0.1, Gamma = 0.2;
    const ulong Seed = 3;

    static readonly Shape Shape = [3, 8, 8, 4];
    static readonly int Each = 8 * 8 * 4;

    [Theory]
    [InlineData(PredictionType.Epsilon, "min-snr", false)]
    [InlineData(PredictionType.V, "min-snr", true)]
    [InlineData(PredictionType.Epsilon, "debiased", true)]
    [InlineData(PredictionType.V, "scale-v", false)]
    [InlineData(PredictionType.V, "debiased", false)]
    [InlineData(PredictionType.Epsilon, "p2", false)]
    [InlineData(PredictionType.Epsilon, "none", true)]
    public void A_loss_is_the_mean_of_what_each_sample_and_each_position_counts_for(PredictionType predicts, string name, bool masked)
    {
        using Device device = Device.Open("cpu", 1);
        using DiffusionModel loaded = ModelFolder.Load(model.Folder, device);
        using Arena arena = new(device);
        NoiseSchedule schedule = new(loaded.Scheduler with { PredictionType = predicts });
        float[] x0 = Normal(1), noise = Normal(2);
        float[]? mask = masked ? [.. Enumerable.Range(0, 64).Select(i => (i % 5) / 4f)] : null;
        NoisyBatch batch = new NoisyBatch(x0, noise, [20, 480, 990], Shape) { Mask = mask }.WithPerturbation(Gamma, new RngStream(5, 6, 0));
        ILossWeighting? weighting = LossWeightings.Create(name, null, predicts);

        Tape tape = new(arena, recording: false);
        int[] ids = [.. Enumerable.Repeat(loaded.Tokenizer.EncodePadded("a face", loaded.TextEncoder.Config.MaxPositionEmbeddings), 3).SelectMany(i => i)];
        Tensor context = loaded.TextEncoder.Forward(tape, ids, 3);
        double loss = DenoisingLoss.Forward(tape, loaded.UNet, schedule, batch, context, schedule.LossWeights(batch.Timesteps, weighting)).Item();

        float[] extra = new float[noise.Length];
        new RngStream(5, 6, 0).FillNormal(extra);
        double[] noisy = new double[noise.Length];
        for (int i = 0; i < noisy.Length; i++)
        {
            double a = schedule.AlphasCumprod[batch.Timesteps[i / Each]];
            noisy[i] = (Math.Sqrt(a) * x0[i]) + (Math.Sqrt(1 - a) * (noise[i] + (Gamma * extra[i])));
        }

        float[] answer = loaded.UNet.Forward(tape, tape.From(Array.ConvertAll(noisy, v => (float)v), Shape), [20, 480, 990], context).ToArray();
        double expected = 0;
        for (int i = 0; i < answer.Length; i++)
        {
            double a = schedule.AlphasCumprod[batch.Timesteps[i / Each]];
            double target = predicts == PredictionType.V ? (Math.Sqrt(a) * noise[i]) - (Math.Sqrt(1 - a) * x0[i]) : noise[i];
            double counts = (weighting?.Of(a / (1 - a), predicts) ?? 1) * (mask?[i % Each / 4] ?? 1);
            expected += counts * Math.Pow(answer[i] - target, 2) / answer.Length;
        }

        arena.Reset();
        Assert.InRange(loss, (1 - Tolerance) * expected, (1 + Tolerance) * expected);
    }

    // Parts that go through the network one after another draw what all at once would.
    [Fact]
    public void Offset_and_perturbation_are_one_draw_a_channel_and_one_a_number_wherever_the_batch_is_cut()
    {
        RngStream rng = new(7, 8, 9);
        float[] noise = Normal(2), z = new float[12];
        rng.FillNormal(z);
        NoisyBatch whole = new(Normal(1), noise, [1, 2, 3], Shape), offset = whole.WithOffset(Offset, rng), perturbed = offset.WithPerturbation(Gamma, rng);
        for (int i = 0; i < noise.Length; i++)
            Assert.Equal(noise[i] + ((float)Offset * z[(i / Each * 4) + (i % 4)]), offset.Noise[i]);
        Assert.Null(offset.InputNoise);
        Assert.Same(offset.Noise, perturbed.Noise);
        Assert.NotEqual(perturbed.Noise, perturbed.InputNoise);

        NoisyBatch last = new NoisyBatch(whole.Latents[Each..], noise[Each..], [2, 3], [2, 8, 8, 4]).WithOffset(Offset, rng, 1).WithPerturbation(Gamma, rng, 1);
        Assert.Equal(perturbed.Noise[Each..], last.Noise);
        Assert.Equal(perturbed.InputNoise![Each..], last.InputNoise);
    }

    [Theory]
    [InlineData("none")]
    [InlineData("min-snr")]
    [InlineData("debiased")]
    [InlineData("p2")]
    public void A_finetuning_learns_by_the_weighted_loss_of_its_noise_and_mask(string name)
    {
        using Device device = Device.Open("cpu", 1);
        using DiffusionModel loaded = ModelFolder.Load(model.Folder, device);
        using Arena arena = new(device);
        NoiseSchedule schedule = new(loaded.Scheduler);
        float[] latent = Normal(1)[..Each], mask = [.. Enumerable.Range(0, 64).Select(i => i < 32 ? 1f : 0.25f)];
        Method method = Method.Lora with { Steps = 2, Pairs = 3, LossWeighting = name, NoiseOffset = Offset, InputPerturbation = Gamma };

        float[] noise = new float[3 * Each];
        new RngStream(Seed, 11, 0).FillNormal(noise);
        int[] timesteps = Timesteps.Stratified(new RngStream(Seed, 12, 0), 3, schedule.Count);
        NoisyBatch batch = new NoisyBatch([.. latent, .. latent, .. latent], noise, timesteps, Shape) { Mask = mask }
            .WithOffset(Offset, new RngStream(Seed, 51, 0)).WithPerturbation(Gamma, new RngStream(Seed, 61, 0));
        Tape tape = new(arena, recording: false);
        int[] ids = loaded.Tokenizer.EncodePadded(new Subject().InstancePrompt, loaded.TextEncoder.Config.MaxPositionEmbeddings);
        Tensor context = loaded.TextEncoder.Forward(tape, [.. ids, .. ids, .. ids], 3);
        double expected = DenoisingLoss.Forward(tape, loaded.UNet, schedule, batch, context, schedule.LossWeights(timesteps, LossWeightings.Create(name, null, PredictionType.Epsilon))).Item();
        arena.Reset();

        using Finetuning finetuning = new(loaded, method, new Subject(), latent, [], [8, 8, 4], Seed, arena, mask: mask);
        IReadOnlyList<double> losses = finetuning.Run();
        Assert.Equal(expected, losses[0]);
        Assert.NotEqual(losses[0], losses[1]);
        Assert.Contains(finetuning.Adapter!.Weights.Values.ToArray(), v => v != 0);
    }

    [Fact]
    public void What_the_mask_leaves_out_is_in_no_loss()
    {
        using Device device = Device.Open("cpu", 1);
        using Arena arena = new(device);
        using DiffusionModel loaded = ModelFolder.Load(model.Folder, device);
        Tape tape = new(arena, recording: false);
        Tensor context = tape.Zeros([1, 4, 32]);
        NoiseSchedule schedule = new(loaded.Scheduler);
        float[] half = [.. Enumerable.Range(0, 64).Select(i => i % 8 < 4 ? 1f : 0)], noise = Normal(2)[..Each], other = [.. noise];
        for (int i = 0; i < Each; i++)
            other[i] += i / 4 % 8 < 4 ? 0 : 9;

        // The input noise is the same, so only the target moves, and only where the mask is black.
        double Loss(float[] target) => DenoisingLoss.Forward(
            tape, loaded.UNet, schedule, new NoisyBatch(Normal(1)[..Each], target, [500], [1, 8, 8, 4]) { Mask = half, InputNoise = noise }, context).Item();
        double masked = Loss(noise);
        Assert.Equal(masked, Loss(other));
        Assert.True(masked > 0);
        arena.Reset();
    }

    static float[] Normal(uint stream)
    {
        float[] values = new float[3 * Each];
        new RngStream(1, stream, 0).FillNormal(values);
        return values;
    }
}
