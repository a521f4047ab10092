using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tensors.Rng;

namespace IlgpuDiffusion.Training.Base;

/// Settings of the autoencoder's training.
public sealed record VaeRecipe
{
    public int Steps { get; init; } = 3000;

    public int Batch { get; init; } = 8;

    public double LearningRate { get; init; } = 2e-3;

    public int WarmupSteps { get; init; } = 100;

    public double RealShare { get; init; } = 1.0 / 3;

    public double KlWeight { get; init; } = 1e-4;

    public double EdgeWeight { get; init; } = 0.5;

    public ulong Seed { get; init; } = 1;
}

/// Trains an autoencoder on full pictures:  L = |x − x̂| + (x − x̂)² + edge·|∇x − ∇x̂| + kl·KL(q(z|x) ‖ N(0, 1)), all means over elements.
public sealed class VaeTraining(AutoencoderKL vae, PictureSet pictures, VaeRecipe recipe, int pictureSize)
{
    const uint BatchStream = 1, NoiseStream = 2;

    public Tensor Loss(Tape tape, long step)
    {
        int[] batch = pictures.Batch(new RngStream(recipe.Seed, BatchStream, (ulong)step), recipe.Batch, recipe.RealShare);
        Tensor x = Upload(tape, batch);
        Tensor moments = vae.EncodeMoments(tape, x);
        int l = vae.Config.LatentChannels;
        Tensor mean = Ops.Slice.Forward(tape, moments, -1, 0, l), logVariance = Ops.Slice.Forward(tape, moments, -1, l, l);
        float[] noise = new float[mean.Count];
        new RngStream(recipe.Seed, NoiseStream, (ulong)step).FillNormal(noise);
        Tensor deviation = Ops.Exp.Forward(tape, Ops.Scale.Forward(tape, logVariance, 0.5f));
        Tensor latent = Ops.Add.Forward(tape, mean, Ops.Multiply.Forward(tape, deviation, tape.From(noise, mean.Shape)));
        Tensor copy = vae.Decode(tape, latent);

        Tensor loss = Ops.Add.Forward(tape, Ops.L1.Forward(tape, copy, x), Ops.Mse.Forward(tape, copy, x));
        Tensor edges = Ops.Add.Forward(tape, EdgeLoss(tape, copy, x, 1), EdgeLoss(tape, copy, x, 2));
        loss = Ops.Add.Forward(tape, loss, Ops.Scale.Forward(tape, edges, (float)recipe.EdgeWeight));
        return Ops.Add.Forward(tape, loss, Ops.Scale.Forward(tape, Kl(tape, mean, logVariance, deviation), (float)recipe.KlWeight));
    }

    Tensor Upload(Tape tape, int[] batch)
    {
        int each = pictureSize * pictureSize * 3;
        float[] values = new float[batch.Length * each];
        for (int b = 0; b < batch.Length; b++)
            pictures[batch[b]].CopyTo(values.AsSpan(b * each, each));
        return tape.From(values, [batch.Length, pictureSize, pictureSize, 3]);
    }

    // Mean absolute error of the differences of neighbours along an axis: keeps outlines sharp.
    static Tensor EdgeLoss(Tape tape, Tensor copy, Tensor x, int axis) => Ops.L1.Forward(tape, Difference(tape, copy, axis), Difference(tape, x, axis));

    static Tensor Difference(Tape tape, Tensor x, int axis)
    {
        int n = x.Shape[axis] - 1;
        return Ops.Subtract.Forward(tape, Ops.Slice.Forward(tape, x, axis, 1, n), Ops.Slice.Forward(tape, x, axis, 0, n));
    }

    // ½ mean(μ² + σ² − 1 − ln σ²); the constant does not matter.
    static Tensor Kl(Tape tape, Tensor mean, Tensor logVariance, Tensor deviation)
    {
        Tensor squares = Ops.Add.Forward(tape, Ops.Multiply.Forward(tape, mean, mean), Ops.Multiply.Forward(tape, deviation, deviation));
        return Ops.Scale.Forward(tape, Ops.Mean.Forward(tape, Ops.Subtract.Forward(tape, squares, logVariance)), 0.5f);
    }
}
