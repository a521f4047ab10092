using System.Diagnostics;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Personalization;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Evaluation;

/// Runs methods on people and keeps what they draw, one file for each (person, method, seed, iteration) named by the hash of all that goes in. What is there is
/// taken; what is missing is made, written beside its place and renamed, so a run that was killed goes on where it was.
sealed class Trials
{
    /// The row of the model as it is.
    public const string NoMethod = "no personalisation";

    const string Folder = "results", Extension = ".safetensors";

    readonly EvaluationRun run;
    readonly DiffusionModel model;
    readonly Arena arena;
    readonly PersonPredictor? predictor;
    readonly string? hypernetwork;
    readonly PictureSampler sampler;
    readonly TrialInputs common;
    readonly Action<PhaseProgress> report;

    /// `predictor`: of the run's hypernetwork, where a method starts from a prediction   `report`: called often; may throw to stop
    public Trials(EvaluationRun run, DiffusionModel model, PersonPredictor? predictor, Arena arena, int size, Action<PhaseProgress> report)
    {
        this.run = run;
        this.model = model;
        this.arena = arena;
        this.report = report;
        this.predictor = predictor;
        hypernetwork = predictor is null ? null : EncoderFolder.Hash(run.Hypernetwork!);
        sampler = new PictureSampler(model, arena, run.Sampling, run.Subject, size, size);
        common = new TrialInputs
        {
            Model = ModelHash.Of(model),
            Prompts = [.. run.Prompts.Select(p => p.Text)],
            Samples = run.Samples,
            ClassSamples = run.Samples,
            Subject = run.Subject,
            Sampling = run.Sampling,
            Seed = 0,
            Device = run.Device,
            Conv = run.Conv,
        };
    }

    public string Model => common.Model;

    /// Trials that were run, and that were there.
    public int Made { get; private set; }

    public int Found { get; private set; }

    /// The model as it is: what it draws for the prompts without [V].
    public Trial Without(ulong seed)
    {
        TrialInputs inputs = common with { Seed = seed };
        string path = PathOf("", NoMethod, inputs);
        if (Kept(path) is { } there)
            return there;
        Made++;
        Trial trial = Draw(path, inputs, $"{NoMethod}, seed {seed}", null, named: false);
        trial.Save(inputs.ToJson());
        return trial;
    }

    /// At each of the given iterations, in their order. Only the method's last has pictures of the class. `from`: another person, whose photo the prediction is made from.
    public IReadOnlyList<Trial> Of(EvaluatedPerson person, Method method, ulong seed, IReadOnlyList<int> steps, EvaluatedPerson? from = null)
    {
        TrialInputs all = common with
        {
            Method = method,
            Photo = person.PhotoHash,
            Hypernetwork = method.Prediction == PredictionUse.None ? null : hypernetwork,
            PredictedFrom = from?.PhotoHash,
            Seed = seed,
        };
        TrialInputs[] inputs =
        [
            .. steps.Select(step => all with { Step = step, ClassSamples = step == method.Steps ? run.Samples : 0 }),
        ];
        string[] paths = [.. inputs.Select(i => PathOf(System.IO.Path.Combine(person.Group, person.Name), from is null ? method.Name : $"{method.Name} from {from.Name}", i))];
        Trial?[] trials = [.. paths.Select(Kept)];
        if (trials.Contains(null))
            Make(person, from ?? person, method, seed, inputs, paths, trials);
        return trials!;
    }

    // Trains once and stops the clock to draw at every iteration that is missing.
    void Make(EvaluatedPerson person, EvaluatedPerson from, Method method, ulong seed, TrialInputs[] inputs, string[] paths, Trial?[] trials)
    {
        string label = $"{method.Name}, {person.Name}, seed {seed}";
        (float[] latent, Shape shape) = Photo.Encode(model, arena, person.Photo);
        float[]?[] before = method.Trains == Trains.Everything ? [model.UNet.Weights.Values.ToArray(), model.TextEncoder.Weights.Values.ToArray()] : [null, null];
        Stopwatch clock = Stopwatch.StartNew();
        float[] prior = method.PriorPairs == 0 ? [] : ClassLatents(method, seed, shape);
        PredictedUpdate? prediction = method.Prediction == PredictionUse.None ? null : predictor!.Update(arena, from.Photo, method.Refinements);
        // A frozen prediction is kept as the numbers that it was made from; one that was trained on is the LoRA.
        int predicted = method.Prediction == PredictionUse.Frozen ? prediction!.Theta.Length : 0;
        try
        {
            using Finetuning finetuning = new(model, method, run.Subject, latent, prior, shape, seed, arena, prediction);
            At(0);
            finetuning.Run(step =>
            {
                report(new PhaseProgress(label, step.Step + 1, method.Steps, $"loss {step.Loss:0.0000}"));
                At((int)step.Step + 1);
            });

            void At(int step)
            {
                int i = Array.FindIndex(inputs, x => x.Step == step);
                if (i < 0 || trials[i] is not null)
                    return;
                clock.Stop();
                Made++;
                Trial drawn = Draw(paths[i], inputs[i], label, finetuning, named: true) with
                {
                    Seconds = Math.Round(clock.Elapsed.TotalSeconds, 3),
                    Loss = PhotoLoss.Measure(model, arena, latent, shape, run.Subject.InstancePrompt),
                    Bytes = sizeof(float) * (finetuning.TrainedParameters + predicted),
                };
                drawn.Save(inputs[i].ToJson());
                trials[i] = drawn;
                clock.Start();
            }
        }
        finally
        {
            if (before is [{ } unet, { } text])
            {
                model.UNet.Weights.RequireGrad(false);
                model.TextEncoder.Weights.RequireGrad(false);
                model.UNet.Weights.Values.CopyFrom(unet);
                model.TextEncoder.Weights.Values.CopyFrom(text);
            }
        }
    }

    // Picture i starts from noise that the seed and i alone give, so all methods and all people start from the same.
    Trial Draw(string path, TrialInputs inputs, string label, Finetuning? after, bool named)
    {
        long start = Stopwatch.GetTimestamp();
        string[] prompts =
        [
            .. inputs.Prompts.Concat(Enumerable.Repeat(EvaluationPrompt.PlainOf(run.Subject), inputs.Samples)).Select(p => named ? p : run.Subject.Without(p)),
            .. Enumerable.Repeat(run.Subject.ClassPrompt, inputs.ClassSamples),
        ];
        int prompted = inputs.Prompts.Count, ofPerson = prompted + inputs.Samples;
        RgbImage[] pictures = [.. Pictures(0, ofPerson), .. Pictures(ofPerson, prompts.Length)];
        return new Trial
        {
            Path = path,
            Prompted = pictures[..prompted],
            Plain = pictures[prompted..ofPerson],
            OfClass = pictures[ofPerson..],
            Seconds = 0,
            DrawingSeconds = Math.Round(Stopwatch.GetElapsedTime(start).TotalSeconds, 3),
            Bytes = 0,
        };

        // Class pictures apart from those of the person: guidance treats a batch alike.
        RgbImage[] Pictures(int from, int to)
        {
            if (from == to)
                return [];
            StartingNoise all = Noise(inputs.Seed, prompts.Length);
            int each = all.Latents.Length / prompts.Length;
            StartingNoise noise = new(all.Latents[(from * each)..(to * each)], [.. all.More.Skip(from).Take(to - from)]);
            return sampler.Decode(sampler.Latents(prompts[from..to], noise, after?.Adaptation, (done, total) => report(new PhaseProgress($"{label}: pictures", done, total))));
        }
    }

    float[] ClassLatents(Method method, ulong seed, Shape shape)
    {
        string[] prompts = [.. Enumerable.Repeat(run.Subject.ClassPrompt, method.PriorPictures)];
        float[] latents = sampler.Latents(prompts, Noise(seed + 1, prompts.Length), progress: (done, total) => report(new PhaseProgress("class pictures", done, total)));
        return ChannelOrder.ToLast(latents, prompts.Length, shape[2]);
    }

    StartingNoise Noise(ulong seed, int pictures)
    {
        int[] shape = sampler.LatentShape;
        return StartingNoise.Of(seed, pictures, shape[1], shape[1] * shape[2] * shape[3]);
    }

    Trial? Kept(string path)
    {
        if (!File.Exists(path))
            return null;
        Found++;
        return Trial.Load(path);
    }

    string PathOf(string person, string method, TrialInputs inputs) => System.IO.Path.Combine(
        run.Out, Folder, person, $"{Prompts.Slug(method)}.seed{inputs.Seed}.step{inputs.Step}.{inputs.Key()[..16]}{Extension}");
}
