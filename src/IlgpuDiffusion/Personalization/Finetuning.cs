using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tensors.Rng;
using IlgpuDiffusion.Training;

namespace IlgpuDiffusion.Personalization;

/// Finetuning of a model on the latent of one photo, by any <see cref="Method"/>. Holds what is trained: dispose it to take the adapter off.
public sealed class Finetuning : IDisposable
{
    const uint NoiseStream = 11, TimeStream = 12, PriorStream = 13, PriorTimeStream = 14;

    readonly DiffusionModel model;
    readonly Method method;
    readonly Subject subject;
    readonly ulong seed;
    readonly NoiseSchedule schedule;
    readonly List<Trainee> trainees = [];
    readonly TrainLoop loop;

    /// `latent`: (h, w, L) of the photo, scaled   `prior`: latents of class pictures, (N, h, w, L), for methods with prior preservation
    public Finetuning(DiffusionModel model, Method method, Subject subject, float[] latent, float[] prior, Shape latentShape, ulong seed, Arena arena, MemorySettings? memory = null)
    {
        this.model = model;
        this.method = method;
        this.subject = subject;
        this.seed = seed;
        Latent = latent;
        Prior = prior;
        LatentShape = latentShape;
        schedule = new NoiseSchedule(model.Scheduler);
        if (method.Trains == Trains.Everything)
        {
            trainees.Add(new Trainee("unet", new AdamW(model.UNet.Weights, method.Optimizer)));
            trainees.Add(new Trainee("text_encoder", new AdamW(model.TextEncoder.Weights, method.Optimizer)));
        }
        else
        {
            IReadOnlyList<AdapterTarget> targets = AdapterTarget.Of(model.UNet.Weights, model.TextEncoder.Weights);
            Adapter = method.Trains == Trains.Lora
                ? AdapterSet.Lora(targets, method.Rank, method.Rank, seed, arena.Device)
                : AdapterSet.Lidb(targets, method.A, method.B, method.Rank, LidbSeed, arena.Device);
            trainees.Add(new Trainee("adapter", new AdamW(Adapter.Weights, method.Optimizer)));
            Adapter.Attach();
        }

        loop = new TrainLoop(arena, trainees, step => Math.Min(1, (step + 1.0) / method.WarmupSteps), method.MaxGradNorm, memory?.Checkpointing ?? false);
    }

    /// The bases of LiDB are the same for everybody: only then do two people's numbers mean the same.
    public const ulong LidbSeed = 20230713;

    public float[] Latent { get; }

    public float[] Prior { get; }

    public Shape LatentShape { get; }

    /// What was learned; null for a method that trains everything.
    public AdapterSet? Adapter { get; }

    /// Runs all iterations; `progress` gets each as it is done.
    public IReadOnlyList<double> Run(Action<TrainStep>? progress = null)
    {
        int[] instance = model.Tokenizer.EncodePadded(subject.InstancePrompt, model.TextEncoder.Config.MaxPositionEmbeddings);
        int[] ofClass = model.Tokenizer.EncodePadded(subject.ClassPrompt, model.TextEncoder.Config.MaxPositionEmbeddings);
        List<double> losses = [];
        for (int step = 0; step < method.Steps; step++)
        {
            TrainStep done = loop.Step(step, Losses(step, instance, ofClass));
            losses.Add(done.Loss);
            progress?.Invoke(done);
        }

        foreach (Trainee trainee in trainees)
            trainee.Weights.RequireGrad(false);
        return losses;
    }

    // One loss where all pairs fit through the network at once; else losses whose sum it is.
    List<Func<Tape, Tensor>> Losses(int step, int[] instance, int[] ofClass)
    {
        int atOnce = MemorySettings.PairsAtOnce((long)LatentShape[0] * LatentShape[1]);
        if (Math.Max(method.Pairs, method.PriorPairs) <= atOnce)
            return [tape => Loss(tape, step, instance, ofClass)];
        List<Func<Tape, Tensor>> parts = [];
        for (int first = 0; first < method.Pairs; first += atOnce)
        {
            Range part = first..Math.Min(first + atOnce, method.Pairs);
            parts.Add(tape => Weighted(tape, Pairs(tape, Latent, 1, part, method.Pairs, instance, NoiseStream, TimeStream, step), part, method.Pairs, 1));
        }

        for (int first = 0; first < method.PriorPairs; first += atOnce)
        {
            Range part = first..Math.Min(first + atOnce, method.PriorPairs);
            parts.Add(tape => Weighted(
                tape, Pairs(tape, ChosenPrior(step), method.PriorPairs, part, method.PriorPairs, ofClass, PriorStream, PriorTimeStream, step), part, method.PriorPairs, method.PriorWeight));
        }

        return parts;
    }

    // A mean over a part, as its share of the mean over all.
    static Tensor Weighted(Tape tape, Tensor mean, Range part, int all, double weight) =>
        Ops.Scale.Forward(tape, mean, (float)(weight * (part.End.Value - part.Start.Value) / all));

    Tensor Loss(Tape tape, int step, int[] instance, int[] ofClass)
    {
        Tensor loss = Pairs(tape, Latent, 1, ..method.Pairs, method.Pairs, instance, NoiseStream, TimeStream, step);
        if (method.PriorPairs == 0)
            return loss;
        Tensor prior = Pairs(tape, ChosenPrior(step), method.PriorPairs, ..method.PriorPairs, method.PriorPairs, ofClass, PriorStream, PriorTimeStream, step);
        return Ops.Add.Forward(tape, loss, Ops.Scale.Forward(tape, prior, (float)method.PriorWeight));
    }

    float[] ChosenPrior(int step)
    {
        int count = (int)(Prior.Length / LatentShape.Count);
        float[] chosen = new float[method.PriorPairs * LatentShape.Count];
        RngStream pick = new(seed, PriorStream + 100, (ulong)step);
        for (int i = 0; i < method.PriorPairs; i++)
            Prior.AsSpan((int)(pick.Integer(i, 0, count) * LatentShape.Count), (int)LatentShape.Count).CopyTo(chosen.AsSpan((int)(i * LatentShape.Count)));
        return chosen;
    }

    // A part of `all` noisy copies of the given latents (one, or one for each pair) under one prompt.
    Tensor Pairs(Tape tape, float[] latents, int given, Range part, int all, int[] ids, uint noiseStream, uint timeStream, int step)
    {
        (int first, int pairs) = part.GetOffsetAndLength(all);
        int each = (int)LatentShape.Count;
        float[] x0 = new float[pairs * each], noise = new float[pairs * each];
        for (int i = 0; i < pairs; i++)
            latents.AsSpan((first + i) % given * each, each).CopyTo(x0.AsSpan(i * each));
        new RngStream(seed, noiseStream, (ulong)step).FillNormal(noise, (long)first * each);
        int[] timesteps = Timesteps.Stratified(new RngStream(seed, timeStream, (ulong)step), all, schedule.Count)[part];
        NoisyBatch batch = new(x0, noise, timesteps, [pairs, LatentShape[0], LatentShape[1], LatentShape[2]]);
        int[] prompts = [.. Enumerable.Repeat(ids, pairs).SelectMany(x => x)];
        return DenoisingLoss.Forward(tape, model.UNet, schedule, batch, model.TextEncoder.Forward(tape, prompts, pairs), schedule.LossWeights(timesteps, method.MinSnrGamma));
    }

    public void Dispose()
    {
        foreach (Trainee trainee in trainees)
            trainee.Optimizer.Dispose();
        Adapter?.Dispose();
    }
}
