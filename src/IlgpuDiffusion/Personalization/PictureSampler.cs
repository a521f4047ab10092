using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Personalization;

/// Draws a picture for each of a list of prompts, several at once, of a model as it is or with an adaptation on it.
public sealed class PictureSampler(DiffusionModel model, Arena arena, Sampling sampling, Subject subject, int width, int height, string negativePrompt = "")
{
    // Positions of latents in one batch: eight pictures of 64 × 64, one of 512 × 512.
    const int PositionsAtOnce = 8 * 16 * 16;

    readonly TextToImage pipeline = new(model, arena);

    /// (1, L, h, w) of one picture. Errors: a width or height that the model's levels do not divide.
    public int[] LatentShape => pipeline.LatentShape(Request([""]));

    /// `prompts`: with `[V]` for the subject where `adapted` is there, which is on the model already   `progress`: denoising steps done, of all, counted in pictures
    /// returns (N, L, h, w)
    public float[] Latents(IReadOnlyList<string> prompts, StartingNoise start, IAdaptation? adapted = null, Action<int, int>? progress = null)
    {
        int[] shape = LatentShape;
        int each = shape[1] * shape[2] * shape[3], atOnce = Math.Max(1, PositionsAtOnce / (shape[2] * shape[3]));
        float[] latents = new float[prompts.Count * each];
        for (int first = 0; first < prompts.Count; first += atOnce)
        {
            int count = Math.Min(atOnce, prompts.Count - first), before = first;
            IScheduler scheduler = Schedulers.Create(sampling.Scheduler, model.Scheduler);
            scheduler.SetTimesteps(sampling.Steps);
            float[] chunk = Array.ConvertAll(start.Latents[(first * each)..((first + count) * each)], v => v * scheduler.InitNoiseSigma);
            void Noise(Span<float> destination)
            {
                for (int i = 0; i < count; i++)
                    start.More[before + i](destination.Slice(i * each, each));
            }

            int steps = scheduler.Timesteps.Count;
            Sampler.Run(
                Predictor([.. prompts.Skip(first).Take(count)], adapted), scheduler, chunk, Noise,
                (step, _) => progress?.Invoke((before * steps) + ((step + 1) * count), prompts.Count * steps));
            chunk.CopyTo(latents, first * each);
        }

        return latents;
    }

    /// latents: (N, L, h, w)
    public RgbImage[] Decode(ReadOnlySpan<float> latents)
    {
        int[] shape = LatentShape;
        int each = shape[1] * shape[2] * shape[3];
        RgbImage[] pictures = new RgbImage[latents.Length / each];
        for (int i = 0; i < pictures.Length; i++)
            pictures[i] = TextToImage.ToImage(pipeline.Decode(latents.Slice(i * each, each), height, width), width);
        return pictures;
    }

    Prediction Predictor(IReadOnlyList<string> prompts, IAdaptation? adapted)
    {
        Prediction own = pipeline.Guided(Request([.. prompts.Select(subject.Fill)]));
        if (adapted is null || sampling.GuidanceFrom != GuidanceFrom.Both || sampling.Guidance <= 1 || !prompts.Any(subject.IsIn))
            return own;

        adapted.Detach();
        Prediction text = pipeline.Guided(Request([.. prompts.Select(subject.Without)]) with { GuidanceScale = 1 });
        Prediction ofClass = pipeline.Guided(Request([.. prompts.Select(_ => subject.ClassPrompt)]) with { GuidanceScale = 1 });
        adapted.Attach();
        return (samples, timestep) =>
        {
            float[] person = own(samples, timestep);
            adapted.Detach();
            float[] said = text(samples, timestep), unsaid = ofClass(samples, timestep);
            adapted.Attach();
            for (int i = 0; i < person.Length; i++)
                person[i] += sampling.Guidance / 2 * (said[i] - unsaid[i]);
            return person;
        };
    }

    TextToImageRequest Request(IReadOnlyList<string> prompts) => new()
    {
        Prompts = prompts,
        NegativePrompt = negativePrompt,
        Width = width,
        Height = height,
        Steps = sampling.Steps,
        GuidanceScale = sampling.Guidance,
    };
}
