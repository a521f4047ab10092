using System.Text.Json;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Data.World;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Training.People;

namespace IlgpuDiffusion.Training.Evaluators;

/// Trains the networks that judge, each on its own: NAME/ is the network, NAME.state.safetensors what a run that was cut off goes on from,
/// NAME.quality.json what was measured on people that it never saw.
public sealed class EvaluatorTraining(EvaluatorRecipe recipe, string dataFolder, string outFolder, Device device, TextWriter log, bool interactive, CancellationToken cancellation = default)
{
    const int Size = 64;

    static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// face and judge: recognition for the hypernetwork and, independently, for judging it; dino; clip
    public static IReadOnlyList<string> Names { get; } = ["face", "judge", "dino", "clip"];

    readonly TrainingRun run = new(outFolder, log, interactive, cancellation);

    /// `names`: which of <see cref="Names"/>
    public void Run(IReadOnlyList<string> names)
    {
        Directory.CreateDirectory(outFolder);
        PhotoSet photos = PhotoSet.Load(dataFolder);
        log.WriteLine($"rendering {recipe.RenderedPeople} people, {recipe.PicturesEach} pictures each");
        PeopleSet people = PeopleSet.Make(recipe.RenderedPeople, recipe.PicturesEach, photos.Training, recipe.RealPicturesEach, Size, recipe.PictureSeed);
        using Arena arena = new(device);
        foreach (string name in names)
        {
            switch (name)
            {
                case "face":
                    Face(name, EvaluatorRecipe.FaceNetwork, recipe.Face, people, photos, arena);
                    break;
                case "judge":
                    Face(name, EvaluatorRecipe.JudgeNetwork, recipe.Judge, people, photos, arena);
                    break;
                case "dino":
                    Dino(people, photos, arena);
                    break;
                default:
                    Clip(people, arena);
                    break;
            }
        }
    }

    void Face(string name, ConvEncoderConfig network, ContrastRecipe settings, PeopleSet people, PhotoSet photos, Arena arena)
    {
        using ConvEncoder encoder = new(network);
        Start(encoder.Weights, name, settings.Seed);
        Train(
            name,
            settings,
            [encoder.Weights],
            arena,
            new FaceTraining(encoder, people, settings).Loss,
            () => RecognitionQuality.Measure(arena, Size, (tape, x) => encoder.Forward(tape, x).Embedding, photos));
        EncoderFolder.Save(Path.Combine(outFolder, name), encoder, SafetensorsDType.F16);
    }

    void Dino(PeopleSet people, PhotoSet photos, Arena arena)
    {
        using VitModel encoder = new(EvaluatorRecipe.DinoNetwork);
        Start(encoder.Weights, "dino", recipe.Dino.Seed);
        Train(
            "dino",
            recipe.Dino,
            [encoder.Weights],
            arena,
            new DinoTraining(encoder, people, recipe.Dino).Loss,
            () => RecognitionQuality.Measure(arena, Size, encoder.Embed, photos));
        EncoderFolder.Save(Path.Combine(outFolder, "dino"), encoder, SafetensorsDType.F16);
    }

    void Clip(PeopleSet people, Arena arena)
    {
        using ConvEncoder pictures = new(EvaluatorRecipe.ClipPictures);
        using ClipTextModel texts = new(EvaluatorRecipe.ClipTexts);
        Start(pictures.Weights, "clip pictures", recipe.Clip.Seed);
        Start(texts.Weights, "clip texts", recipe.Clip.Seed);
        int[] Encode(string caption) => WordVocabulary.FaceMini.Encode(caption);
        Train(
            "clip",
            recipe.Clip,
            [pictures.Weights, texts.Weights],
            arena,
            new ClipTraining(pictures, texts, people, Encode, recipe.Clip).Loss,
            () => ZeroShotQuality.Measure(arena, pictures, texts, Encode));
        EncoderFolder.Save(Path.Combine(outFolder, "clip", "pictures"), pictures, SafetensorsDType.F16);
        EncoderFolder.Save(Path.Combine(outFolder, "clip", "texts"), texts, SafetensorsDType.F16);
        WordVocabulary.FaceMini.Save(Path.Combine(outFolder, "clip", "tokenizer"));
    }

    void Start(Weights weights, string owner, ulong seed)
    {
        weights.Allocate(device, owner);
        weights.Initialize(seed);
    }

    // Afterwards the weights are the moving average. Quality is of the average too.
    void Train(
        string name, ContrastRecipe settings, IReadOnlyList<Weights> weights, Arena arena, Func<Tape, long, Tensor> loss, Func<IEnumerable<(string Key, double Value)>> quality)
    {
        AdamWSettings optimizer = new() { LearningRate = settings.LearningRate, WeightDecay = settings.WeightDecay };
        Trainee[] trainees = [.. weights.Select((w, i) => new Trainee($"{name}{i}", new AdamW(w, optimizer), new Ema(w, new EmaSettings { Decay = recipe.EmaDecay })))];
        string config = JsonSerializer.Serialize(recipe with { Face = settings, Judge = settings, Dino = settings, Clip = settings });
        try
        {
            run.Train(new TrainingPlan(name, config, settings.Steps, settings.WarmupSteps), trainees, arena, loss, _ => Measured());
            Swap();
            Dictionary<string, double> measured = quality().ToDictionary(q => q.Key, q => q.Value);
            AtomicFile.Write(Path.Combine(outFolder, $"{name}.quality.json"), stream => JsonSerializer.Serialize(stream, measured, Indented));
            log.WriteLine($"{name}: {string.Join(", ", measured.Select(q => $"{q.Key} {q.Value:0.000}"))}");
        }
        finally
        {
            foreach (Trainee trainee in trainees)
            {
                trainee.Optimizer.Dispose();
                trainee.Average!.Dispose();
                trainee.Weights.RequireGrad(false);
            }
        }

        IEnumerable<(string, double)> Measured()
        {
            Swap();
            (string, double)[] numbers = [.. quality()];
            Swap();
            return numbers;
        }

        void Swap()
        {
            foreach (Trainee trainee in trainees)
                trainee.Average!.Swap(arena);
            arena.Reset();
        }
    }
}
