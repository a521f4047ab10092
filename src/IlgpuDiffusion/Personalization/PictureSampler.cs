using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Personalization;

/// Draws a picture for each of a list of prompts, several at once, of a model as it is or with an adaptation on it.
public sealed class PictureSampler(DiffusionModel model, Arena arena, Sampling sampling, Subject subject, int width, int height, string negativePrompt = "", MemorySettings? memory = null)
{
    // Positions of latents in one batch: eight pictures of 64 × 64, one of 512 × 512.
    const int PositionsAtOnce = 8 * 16 * 16;

    readonly TextToImage pipeline = new(model, arena, memory);
    readonly SchedulerConfig schedule = sampling.Over(model.Scheduler);

    /// (1, L, h, w) of one picture. Errors: a width or height that the model's levels do not divide.
    public int[] LatentShape => pipeline.LatentShape(Request([""]));

    /// Pictures drawn as one batch.
    internal int AtOnce => Math.Max(1, PositionsAtOnce / (LatentShape[2] * LatentShape[3]));

    /// `prompts`: with `[V]` for the subject where `adapted` is there, which is on the model already   `progress`: denoising steps done, of all, counted in pictures
    /// `picture`: what to begin from instead of noise alone   returns (N, L, h, w)
    public float[] Latents(IReadOnlyList<string> prompts, StartingNoise start, IAdaptation? adapted = null, Action<int, int>? progress = null, StartingPicture? picture = null)
    {
        int[] shape = LatentShape;
        int each = shape[1] * shape[2] * shape[3], atOnce = AtOnce;
        float[] latents = new float[prompts.Count * each];
        for (int first = 0; first < prompts.Count; first += atOnce)
        {
            int count = Math.Min(atOnce, prompts.Count - first), before = first;
            IScheduler scheduler = Schedulers.Create(sampling.Scheduler, schedule);
            scheduler.SetTimesteps(sampling.Steps);
            int begin = picture is null ? 0 : ImageToImage.FirstCall(scheduler, sampling.Steps, picture.Strength);
            Range part = (first * each)..((first + count) * each);
            float[] chunk = Array.ConvertAll(start.Latents[part], v => v * scheduler.InitNoiseSigma);
            if (picture is not null)
                ImageToImage.AddNoise(scheduler, schedule, begin, picture.Latents.AsSpan(part), start.Latents.AsSpan(part), chunk);
            void Noise(Span<float> destination)
            {
                for (int i = 0; i < count; i++)
                    start.More[before + i](destination.Slice(i * each, each));
            }

            int steps = scheduler.Timesteps.Count - begin;
            Sampler.Run(
                Predictor([.. prompts.Skip(first).Take(count)], adapted), scheduler, chunk, Noise,
                (step, _) => progress?.Invoke((before * steps) + ((step + 1 - begin) * count), prompts.Count * steps), begin);
            chunk.CopyTo(latents, first * each);
        }

        arena.Release();
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
        arena.Release();
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
