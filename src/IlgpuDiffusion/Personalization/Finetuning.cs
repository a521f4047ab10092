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
    // What the low-rank kernels are made and tested for.
    const int MostRank = 16;
    const uint NoiseStream = 11, TimeStream = 12, PriorStream = 13, PriorTimeStream = 14;

    // Of the offset and of the perturbation: so much after the noise's own.
    const uint OffsetAfter = 40, PerturbationAfter = 50;

    readonly DiffusionModel model;
    readonly Method method;
    readonly Subject subject;
    readonly ulong seed;
    readonly NoiseSchedule schedule;
    readonly ILossWeighting? weighting;
    readonly float[]? mask;
    readonly List<Trainee> trainees = [];
    readonly TrainLoop loop;

    /// `latent`: (h, w, L) of the photo, scaled   `prior`: latents of class pictures, (N, h, w, L), for methods with prior preservation
    /// `prediction`: for methods that start from one   `mask`: what each position of the photo counts for, (h, w); null is 1
    /// Errors: a loss weighting that this model or its settings do not have.
    public Finetuning(
        DiffusionModel model, Method method, Subject subject, float[] latent, float[] prior, Shape latentShape, ulong seed, Arena arena, PredictedUpdate? prediction = null,
        MemorySettings? memory = null, float[]? mask = null)
    {
        this.mask = mask;
        this.model = model;
        this.method = method;
        this.subject = subject;
        this.seed = seed;
        Latent = latent;
        Prior = prior;
        LatentShape = latentShape;
        schedule = new NoiseSchedule(model.Scheduler);
        weighting = LossWeightings.Create(method.LossWeighting, method.MinSnrGamma, schedule.PredictionType);
        switch (method.Trains)
        {
            case Trains.Everything:
                Train("unet", model.UNet.Weights);
                Train("text_encoder", model.TextEncoder.Weights);
                break;
            case Trains.TextualInversion:
                Words = WordsOf(model, subject);
                Train("token_rows", Words.Weights);
                break;
            default:
                Adapter = AdapterOf(model, method, seed, prediction);
                if (method.Rank > 0)
                    Train("adapter", Adapter.Weights);
                break;
        }

        Adaptation?.Attach();
        loop = new TrainLoop(arena, trainees, step => Math.Min(1, (step + 1.0) / method.WarmupSteps), method.MaxGradNorm, memory?.Checkpointing ?? false);
    }

    void Train(string name, Weights weights) => trainees.Add(new Trainee(name, new AdamW(weights, method.Optimizer)));

    // Every token of the identifier begins as the class: "face".
    static TokenRows WordsOf(DiffusionModel model, Subject subject)
    {
        int[] ids = [.. model.Tokenizer.EncodeText(subject.Identifier).Distinct()];
        int width = model.TextEncoder.Config.HiddenSize, start = model.Tokenizer.EncodeText(subject.ClassNoun)[0];
        ReadOnlySpan<float> row = model.TextEncoder.Tokens.Weight.Value.ToArray().AsSpan(start * width, width);
        float[] rows = new float[ids.Length * width];
        for (int i = 0; i < ids.Length; i++)
            row.CopyTo(rows.AsSpan(i * width));
        return new TokenRows(model, ids, rows);
    }

    static AdapterSet AdapterOf(DiffusionModel model, Method method, ulong seed, PredictedUpdate? prediction)
    {
        IReadOnlyList<AdapterTarget> targets = AdapterTarget.Of(model.UNet.Weights, model.TextEncoder.Weights, method.Layers);
        if (method.Trains == Trains.Lidb)
            return AdapterSet.Lidb(targets, method.A, method.B, method.Rank, BasisOf(method), LidbSeed, model.Device);
        if (method.Prediction == PredictionUse.None)
            return AdapterSet.Lora(targets, method.Rank, method.Rank, seed, model.Device);
        if (method.Rank == 0 && method.Steps > 0)
            throw new IlgdException($"method '{method.Name}' is the prediction alone and trains nothing: {method.Steps} steps cannot be taken; leave --steps out or use --rank 1 or more");
        if (method.Prediction == PredictionUse.Frozen && method.Rank > MostRank - 1)
            throw new IlgdException($"method '{method.Name}': rank {method.Rank} and the prediction's one are more than {MostRank}; use --rank {MostRank - 1} at most");
        PredictedUpdate start = prediction ?? throw new IlgdException($"method '{method.Name}' starts from a prediction, and there is none: name a hypernetwork");
        return method.Prediction == PredictionUse.Frozen
            ? AdapterSet.Relaxed(start, method.Rank, seed, model.Device)
            : AdapterSet.Continued(start, method.Rank, seed, model.Device);
    }

    static IBasis BasisOf(Method method) => method.Basis == LidbBasis.Singular ? new SingularVectors() : new RandomOrthonormal(LidbSeed);

    /// The bases of LiDB are the same for everybody: only then do two people's numbers mean the same.
    public const ulong LidbSeed = 20230713;

    public float[] Latent { get; }

    public float[] Prior { get; }

    public Shape LatentShape { get; }

    /// What was learned of the layers; null for a method that learns something else.
    public AdapterSet? Adapter { get; }

    /// What was learned of the words.
    public TokenRows? Words { get; }

    /// What makes the model draw the person and can be taken off; null for a method that trains everything.
    public IAdaptation? Adaptation => (IAdaptation?)Adapter ?? Words;

    public long TrainedParameters => trainees.Sum(t => t.Weights.Count);

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
        NoisyBatch batch = new(x0, noise, timesteps, [pairs, LatentShape[0], LatentShape[1], LatentShape[2]]) { Mask = noiseStream == NoiseStream ? mask : null };
        if (method.NoiseOffset > 0)
            batch = batch.WithOffset(method.NoiseOffset, new RngStream(seed, noiseStream + OffsetAfter, (ulong)step), first);
        if (method.InputPerturbation > 0)
            batch = batch.WithPerturbation(method.InputPerturbation, new RngStream(seed, noiseStream + PerturbationAfter, (ulong)step), first);
        int[] prompts = [.. Enumerable.Repeat(ids, pairs).SelectMany(x => x)];
        return DenoisingLoss.Forward(tape, model.UNet, schedule, batch, model.TextEncoder.Forward(tape, prompts, pairs), schedule.LossWeights(timesteps, weighting));
    }

    public void Dispose()
    {
        loop.Dispose();
        foreach (Trainee trainee in trainees)
            trainee.Optimizer.Dispose();
        Adapter?.Dispose();
        Words?.Dispose();
    }
}
