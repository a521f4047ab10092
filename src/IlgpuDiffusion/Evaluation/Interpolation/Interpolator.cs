using System.Globalization;
using System.Numerics.Tensors;
using System.Text;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Diagnostics.Report;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Personalization;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Evaluation;

/// The way from one person to another in the space of people that a hypernetwork predicts in,
///
///     θ(t) = (1 − t)·θ₀ + t·θ₁,   t = 0 … 1
///
/// drawn under the same prompts from the same noise at every place, and judged: a space whose middle is a face like both is one of people, one whose middle is nobody has
/// only learned its training set by heart. The model is not finetuned here: θ is the whole update.
public sealed class Interpolator(InterpolationRun run, Action<PhaseProgress>? progress = null, Func<Device, Judges>? judges = null, CancellationToken cancellation = default)
{
    const int SheetScale = 2;

    /// Who is told what the run's device does; null where nobody looks.
    public IDeviceObserver? Observer { get; init; }

    /// Writes `interpolation.png` (a line for each prompt, a column for each place between the two photos), `interpolation.json` and, with a judge, `likeness.svg`.
    /// Errors: unreadable photos, model, hypernetwork or judge, prompts that are too long: <see cref="IlgdException"/>; nothing is left behind by a run that ends early.
    public InterpolationRecord Run()
    {
        using StagedFolder stage = new(run.Out);
        using Device device = Device.Open(run.Device, run.Threads, run.Conv, Observer);
        using DiffusionModel model = ModelFolder.Load(run.Model, device, run.Variant, run.ModelConfig);
        run = run with { Sampling = run.Sampling.For(model) };
        foreach (string prompt in run.Prompts)
            Prompts.Check(model, run.Subject.Fill(prompt));
        using PersonPredictor predictor = PersonPredictor.Load(run.Hypernetwork, model);
        using Judges found = judges?.Invoke(device) ?? Judges.Load(run.FaceEncoder, null, null, run.Model, device);
        using Arena arena = new(device);
        int size = (model.UNet.Config.SampleSize ?? 64) * model.Vae.Config.Downscale;
        PictureSampler sampler = new(model, arena, run.Sampling, run.Subject, size, size);
        RgbImage[] photos = [.. new[] { run.From, run.To }.Select(path => Photo.Fit(Photo.Face(path, null), size))];
        float[][] people = [.. photos.Select(photo => predictor.Predict(arena, photo))];
        float[][]? known = found.Face?.Embed(photos);

        List<RgbImage[]> drawn = [];
        List<InterpolationPoint> points = [];
        for (int i = 0; i < run.Positions; i++)
        {
            double at = (double)i / (run.Positions - 1);
            float[] theta = Between(people[0], people[1], at);
            using AdapterSet person = AdapterSet.Relaxed(new PredictedUpdate(predictor.Space.Targets, predictor.Space.Multiplied(arena, theta), theta), 0, run.Seed, device);
            person.Attach();
            drawn.Add(sampler.Decode(sampler.Latents(run.Prompts, Noise(sampler.LatentShape), person, (done, total) => Report(Percent(at), done, total))));
            float[][]? seen = found.Face?.Embed(drawn[^1]);
            double? Like(int who) => seen?.Average(picture => TensorPrimitives.CosineSimilarity(picture, known![who]));
            points.Add(new InterpolationPoint(Math.Round(at, 4), Like(0), Like(1)));
        }

        ImageFile.SavePng(stage.File("interpolation.png"), Sheet(photos, drawn));
        InterpolationRecord record = new(run, points);
        Text(stage, "interpolation.json", record.ToJson());
        if (known is not null)
        {
            CurveSeries Line(string name, Func<InterpolationPoint, double?> of) => new(name, [.. points.Select(p => (p.At, of(p)!.Value))]);
            Text(stage, "likeness.svg", LossCurveSvg.Render("Likeness on the way", [Line("the first person", p => p.LikeFrom), Line("the second", p => p.LikeTo)], window: 1, xLabel: "place"));
        }

        stage.Commit();
        return record;
    }

    static void Text(StagedFolder stage, string name, string text) => File.WriteAllText(stage.File(name), text, new UTF8Encoding(false));

    // The ends are the people themselves, to the bit.
    static float[] Between(float[] from, float[] to, double at)
    {
        float[] theta = new float[from.Length];
        for (int i = 0; i < theta.Length; i++)
            theta[i] = (float)(((1 - at) * from[i]) + (at * to[i]));
        return theta;
    }

    // Each prompt has its noise, the same at every place.
    StartingNoise Noise(int[] shape) => StartingNoise.Of(run.Seed, run.Prompts.Count, shape[1], shape[1] * shape[2] * shape[3]);

    RgbImage Sheet(RgbImage[] photos, List<RgbImage[]> drawn)
    {
        List<RgbImage> pictures = [];
        List<string> labels = [];
        for (int prompt = 0; prompt < run.Prompts.Count; prompt++)
        {
            pictures.AddRange([photos[0], .. drawn.Select(place => place[prompt]), photos[1]]);
            labels.AddRange(["the first photo", .. drawn.Select((_, i) => $"{Percent((double)i / (drawn.Count - 1))}: {run.Prompts[prompt]}"), "the second photo"]);
        }

        return ContactSheet.Make([.. pictures.Select(p => p.Enlarged(SheetScale))], drawn.Count + 2, labels);
    }

    static string Percent(double at) => string.Create(CultureInfo.InvariantCulture, $"{100 * at:0} %");

    void Report(string phase, int done, int total)
    {
        cancellation.ThrowIfCancellationRequested();
        progress?.Invoke(new PhaseProgress(phase, done, total));
    }
}
