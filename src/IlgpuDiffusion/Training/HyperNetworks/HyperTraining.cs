using System.Text.Json;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Data.World;
using IlgpuDiffusion.Diagnostics;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Personalization;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Training.Base;
using IlgpuDiffusion.Training.Evaluators;
using IlgpuDiffusion.Training.People;
using IlgpuDiffusion.Training.Targets;

namespace IlgpuDiffusion.Training.HyperNetworks;

/// Where a hypernetwork's training finds what it needs.
public sealed record HyperInputs
{
    /// The base model, frozen.
    public required string Model { get; init; }

    /// The image encoder, frozen: a folder as <see cref="EncoderFolder"/> reads. Not needed where there is something to go on from.
    public string? Encoder { get; init; }

    /// A hypernetwork of this model to go on from: its weights, bases, encoder and settings are taken. Null starts from nothing.
    public string? From { get; init; }

    /// The photo collections; null trains and probes on rendered people alone.
    public string? Data { get; init; }

    /// A file of <see cref="TargetSet"/>.
    public string? Targets { get; init; }

    /// Adapter files for the basis `principal`.
    public IReadOnlyList<string> Adapters { get; init; } = [];

    public required string Out { get; init; }
}

/// Trains a hypernetwork for a base model. The out folder holds hypernetwork.state.safetensors, hypernetwork.metrics.jsonl with the probe's numbers, TensorBoard's events,
/// and in `hypernetwork/` what `personalize` takes.
public sealed class HyperTraining(HyperRecipe recipe, HyperInputs inputs, Device device, TextWriter log, bool interactive, CancellationToken cancellation = default)
{
    const string Name = "hypernetwork";
    const int MostBetweenSaves = 250;

    public void Run()
    {
        Directory.CreateDirectory(inputs.Out);
        using DiffusionModel model = ModelFolder.Load(inputs.Model, device);
        using PersonPredictor predictor = inputs.From is { } earlier ? PersonPredictor.Load(earlier, model) : Fresh(model);
        TargetSet? targets = inputs.Targets is { } file ? TargetSet.Load(file) : null;
        if (recipe.TargetWeight > 0 && targets is null)
            throw new IlgdException("a loss on targets is asked for, but there are none: give a file that `ilgd train targets` has made, or a target weight of 0");
        int size = predictor.Encoder.ImageSize, pictureSize = (model.UNet.Config.SampleSize ?? 64) * model.Vae.Config.Downscale;
        if (size != pictureSize && !predictor.Settings.OneFaceToken)
            throw new IlgdException($"{inputs.Encoder ?? inputs.From}: sees pictures of {size} pixels, the model draws {pictureSize}; a network that sees all of its tokens needs them equal");
        PhotoSet? photos = inputs.Data is { } folder ? PhotoSet.Load(folder) : null;
        log.WriteLine($"rendering {recipe.RenderedPeople} people, {recipe.PicturesEach} pictures each");
        PeopleSet people = PeopleSet.Make(recipe.RenderedPeople, recipe.PicturesEach, photos?.Training ?? [], recipe.RealPicturesEach, pictureSize, recipe.PictureSeed);
        string baseHash = LidbFile.BaseHash(model);
        using Arena arena = new(device);
        LatentSet latents = Latents(model, people, arena, baseHash);
        Subject subject = new();
        HyperLoss loss = new(model, predictor, people, latents, targets, subject, recipe);
        HyperProbe probe = new(model, predictor, arena, subject.InstancePrompt, recipe.ProbePairs, recipe.ProbeSeed);
        ProbePerson[] rendered = [.. Enumerable.Range(0, recipe.ProbePeople).Select(i => ProbeOf(model, arena, HeldOutPictures.Rendered(i, new FaceContext(), 4, pictureSize), pictureSize))];
        ProbePerson[] real = [.. HeldOutPictures.Pairs(photos).Take(recipe.ProbePeople).Select(p => ProbeOf(model, arena, HeldOutPictures.Real(p.Neutral, pictureSize), pictureSize))];

        Trainee[] trainees = Trainees(predictor);
        string config = JsonSerializer.Serialize(new { recipe = recipe with { Predictor = predictor.Settings }, from = inputs.From is { } start ? EncoderFolder.Hash(start) : null, baseHash, targets = targets?.Config });
        TrainingPlan plan = new(Name, config, recipe.Steps, recipe.WarmupSteps) { MilestoneEvery = recipe.ProbeEvery, SaveEvery = Math.Min(MostBetweenSaves, recipe.ProbeEvery) };
        try
        {
            new TrainingRun(inputs.Out, log, interactive, cancellation).Train(plan, trainees, arena, loss.Forward, Milestone, () => loss.Parts);
        }
        finally
        {
            foreach (Trainee trainee in trainees)
                trainee.Optimizer.Dispose();
        }

        IEnumerable<(string, double)> Milestone(long step)
        {
            List<(string Key, double Value)> numbers = [.. probe.Measure("rendered", rendered)];
            if (real.Length > 1)
                numbers.AddRange(probe.Measure("real", real));
            foreach (string kind in numbers.Select(n => n.Key.Split('/')[1]).Distinct())
            {
                double Of(string what) => numbers.First(n => n.Key == $"probe/{kind}/{what}").Value;
                log.WriteLine($"step {step}, {kind}: own {Of("own"):0.0000}, mean {Of("mean"):0.0000}, shuffled {Of("shuffled"):0.0000}, none {Of("none"):0.0000}");
            }

            predictor.Save(Path.Combine(inputs.Out, Name), baseHash, SafetensorsDType.F16);
            return numbers;
        }
    }

    PersonPredictor Fresh(DiffusionModel model)
    {
        string encoder = inputs.Encoder ?? throw new IlgdException("a hypernetwork sees through a frozen image encoder: name one's folder, or a hypernetwork to go on from");
        PersonPredictor predictor = PersonPredictor.Create(model, EncoderFolder.LoadImage(encoder, model.Device), recipe.Predictor, BasisOf(model));
        predictor.Hyper.Initialize(recipe.Seed);
        return predictor;
    }

    // Bases that are learned have their own rate; the mean has a higher one, because it is one number where the network has thousands.
    Trainee[] Trainees(PersonPredictor predictor)
    {
        Trainee network = Of("network", predictor.Hyper.Weights, 1, recipe.WeightDecay), mean = Of("mean", predictor.Hyper.Mean, recipe.MeanRate, 0);
        return predictor.Settings.LearnBases ? [network, mean, Of("bases", predictor.Space.Bases, recipe.BasisRate, 0)] : [network, mean];

        Trainee Of(string name, Weights weights, double rate, double decay) =>
            new(name, new AdamW(weights, new AdamWSettings { LearningRate = rate * recipe.LearningRate, Beta2 = recipe.Beta2, WeightDecay = decay }));
    }

    IBasis BasisOf(DiffusionModel model) => recipe.Predictor.Basis switch
    {
        "random" => new RandomOrthonormal(recipe.Predictor.BasisSeed),
        "singular" => new SingularVectors(),
        "principal" when inputs.Adapters.Count > 0 => new PrincipalComponents([.. inputs.Adapters.Select(path => AdapterFile.Load(path, model))]),
        "principal" => throw new IlgdException("the basis 'principal' needs fitted adapters: name a folder with some"),
        _ => throw new IlgdException($"unknown basis '{recipe.Predictor.Basis}': use random, singular or principal"),
    };

    LatentSet Latents(DiffusionModel model, PeopleSet people, Arena arena, string baseHash)
    {
        string path = Path.Combine(inputs.Out, "latents.safetensors");
        string config = JsonSerializer.Serialize(new { recipe.RenderedPeople, recipe.PicturesEach, recipe.RealPicturesEach, recipe.PictureSeed, baseHash, real = people.Real.Count });
        PictureSet pictures = new([.. people.Everybody.SelectMany(p => p.Pictures, (p, x) => new TrainingPicture(x.Rgb, x.Prompt, p.Real))], []);
        if (LatentSet.LoadIfThere(path, LatentSet.Of(model.Vae, people.Size), config) is { } saved)
            return saved;
        ProgressLine progress = new(log, "encoding", pictures.Count, interactive);
        LatentSet latents = LatentSet.Encode(model.Vae, arena, pictures, people.Size, done =>
        {
            cancellation.ThrowIfCancellationRequested();
            progress.Report(done);
        });
        latents.Save(path, config);
        return latents;
    }

    static ProbePerson ProbeOf(DiffusionModel model, Arena arena, byte[] rgb, int size)
    {
        RgbImage photo = new(size, size, rgb);
        (float[] latent, Shape shape) = Personalization.Photo.Encode(model, arena, photo);
        return new ProbePerson(photo, latent, shape);
    }
}
