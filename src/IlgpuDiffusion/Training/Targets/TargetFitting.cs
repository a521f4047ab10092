using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tensors.Rng;

namespace IlgpuDiffusion.Training.Targets;

/// Fits many people at once, each to one photo, so that what differs between their θ is the people: one basis and one start for all, the same timestep and noise for all at
/// each step, and Adam with a second moment that all share, v ← β₂·v + (1 − β₂)·mean_p g_p². With all of it apart, θ is mostly the noise of its own run.
public sealed class TargetFitting(DiffusionModel model, LidbSpace space, TargetRecipe recipe, string prompt, Arena arena)
{
    const uint NoiseStream = 1, TimeStream = 2;

    // Multiples of it modulo 1 fill the interval evenly whatever their number.
    const double GoldenRatio = 0.6180339887498949;

    readonly NoiseSchedule schedule = new(model.Scheduler);

    /// latents: (h, w, L) of each person's photo   `progress`: steps done, and the mean loss of the last   returns θ of each, layer by layer (L·(a + b))
    public float[][] Fit(IReadOnlyList<float[]> latents, Shape shape, Action<int, double>? progress = null)
    {
        int layers = space.Targets.Count, people = latents.Count, width = space.Width;
        using Weights weights = new();
        Parameter theta = weights.Root.Get("theta", [layers, people, width], Init.Zeros);
        weights.Allocate(model.Device, "targets");
        weights.RequireGrad(true);
        float[] values = new float[theta.Shape.Count], first = new float[values.Length], second = new float[layers * width];
        LrSchedule rates = new(LrCurve.Linear, recipe.LearningRate, recipe.WarmupSteps, recipe.Steps);
        for (int step = 0; step < recipe.Steps; step++)
        {
            weights.ZeroGrad();
            double loss = 0;
            for (int pair = 0; pair < recipe.Pairs; pair++)
                loss += Accumulate(theta, latents, shape, (step * recipe.Pairs) + pair) / recipe.Pairs;
            if (!double.IsFinite(loss))
                throw new IlgdException($"targets: loss {loss} at step {step}: lower the learning rate");
            Update(values, theta.Value.Grad!.ToArray(), first, second, people, step, rates.At(step + 1));
            theta.Value.CopyFrom(values);
            progress?.Invoke(step + 1, loss);
        }

        return [.. Enumerable.Range(0, people).Select(p => Enumerable.Range(0, layers).SelectMany(l => values.Skip(((l * people) + p) * width).Take(width)).ToArray())];
    }

    // Adds everybody's gradient of one (timestep, noise) pair; returns the mean loss.
    double Accumulate(Parameter theta, IReadOnlyList<float[]> latents, Shape shape, int pair)
    {
        int people = latents.Count, each = (int)shape.Count, tokens = model.TextEncoder.Config.MaxPositionEmbeddings;
        float[] noise = new float[each];
        new RngStream(recipe.Seed, NoiseStream, (ulong)pair).FillNormal(noise);
        double u = new RngStream(recipe.Seed, TimeStream, 0).Uniform(0) + (pair * GoldenRatio);
        int timestep = Math.Min(schedule.Count - 1, (int)((u - Math.Floor(u)) * schedule.Count));
        NoisyBatch batch = new(
            [.. latents.SelectMany(x => x)],
            [.. Enumerable.Repeat(noise, people).SelectMany(x => x)],
            [.. Enumerable.Repeat(timestep, people)],
            [people, shape[0], shape[1], shape[2]]);
        int[] ids = [.. Enumerable.Repeat(model.Tokenizer.EncodePadded(prompt, tokens), people).SelectMany(x => x)];
        Tape tape = new(arena);
        space.Put(tape, theta);
        Tensor loss = DenoisingLoss.Forward(tape, model.UNet, schedule, batch, model.TextEncoder.Forward(tape, ids, people));
        space.Detach();
        // The loss is a mean over people, of whom each wants the gradient of his own.
        tape.Backward(loss, (float)people / recipe.Pairs);
        double value = loss.Item();
        arena.Reset();
        return value;
    }

    // On the host: a few thousand numbers a person.
    void Update(float[] values, float[] gradient, float[] first, float[] second, int people, int step, double rate)
    {
        int width = space.Width;
        double correction1 = 1 - Math.Pow(recipe.Beta1, step + 1), correction2 = 1 - Math.Pow(recipe.Beta2, step + 1);
        for (int layer = 0; layer < space.Targets.Count; layer++)
        {
            for (int j = 0; j < width; j++)
            {
                int at = (layer * people * width) + j;
                double square = 0;
                for (int p = 0; p < people; p++)
                    square += (double)gradient[at + (p * width)] * gradient[at + (p * width)];
                ref float v = ref second[(layer * width) + j];
                v = (float)((recipe.Beta2 * v) + ((1 - recipe.Beta2) * square / people));
                double denominator = Math.Sqrt(v / correction2) + recipe.Epsilon;
                for (int p = 0; p < people; p++)
                {
                    int i = at + (p * width);
                    first[i] = (float)((recipe.Beta1 * first[i]) + ((1 - recipe.Beta1) * gradient[i]));
                    values[i] -= (float)(rate * first[i] / correction1 / denominator);
                }
            }
        }
    }
}
