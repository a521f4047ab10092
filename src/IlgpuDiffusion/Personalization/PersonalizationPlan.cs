using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Personalization;

/// The memory of <see cref="Personalizer"/>: its parts, with one step of each.
static class PersonalizationPlan
{
    public static MemoryPlan Of(PersonalizationRun run) => MemoryPlan.Of(
        run.MemoryBudget, run.Device, run.Conv, device => ModelFolder.Load(run.Model, device, run.Variant, run.ModelConfig), (model, memory, phases) => GoThrough(run, model, memory, phases));

    static void GoThrough(PersonalizationRun run, DiffusionModel model, MemorySettings memory, MemoryPhases phases)
    {
        int size = (model.UNet.Config.SampleSize ?? 64) * model.Vae.Config.Downscale;
        using Arena arena = new(model.Device);
        (float[] latent, Shape shape) = phases.Add("photo", MemoryUse.Autoencoder, () => Photo.Encode(model, arena, new RgbImage(size, size), memory));
        if (run is { Method.Prediction: not PredictionUse.None, Hypernetwork: { } folder })
        {
            phases.Add("prediction", MemoryUse.Prediction, () =>
            {
                using PersonPredictor predictor = PersonPredictor.Load(folder, model);
                return predictor.Update(arena, new RgbImage(size, size), run.Method.Refinements);
            });
        }

        phases.Add("loss", MemoryUse.Sampling, () => PhotoLoss.Measure(model, arena, latent, shape, run.Subject.InstancePrompt, PhotoLoss.PairsAtOnce(shape)));

        Method method = run.Method.For(model);
        float[] prior = new float[method.PriorPairs > 0 ? method.PriorPictures * shape.Count : 0];
        float[]? mask = Photo.Mask(run.Mask, run.Photo, run.Crop, shape);
        using Finetuning finetuning = phases.Add(
            "finetuning",
            MemoryUse.Training,
            () =>
            {
                Method one = method with { Steps = Math.Min(1, method.Steps) };
                PredictedUpdate? prediction = one.Prediction == PredictionUse.None ? null : PredictedUpdate.Nothing(model);
                Finetuning tuned = new(model, one, run.Subject, latent, prior, shape, run.Seed, arena, prediction, memory, mask);
                tuned.Run();
                arena.Release();
                return tuned;
            },
            ("latents", (latent.LongLength * (1 + run.Others.Count) + prior.Length) * sizeof(float)));
        if (method.Steps > 0)
            phases.Note(Iteration(method, run.Method));

        // The last pictures are drawn while the optimiser is still there: the most that pictures take.
        PictureSampler sampler = new(model, arena, run.Sampling with { Scheduler = "ddim", Steps = 1 }, run.Subject, size, size, memory: memory);
        string[] prompts = [.. run.Prompts.Take(sampler.AtOnce)];
        StartingNoise noise = StartingNoise.Of(run.Seed, prompts.Length, shape[2], latent.Length);
        (string, long) pictures = ("pictures", run.Prompts.Count * ((3L * latent.Length * sizeof(float)) + (6L * size * size)));
        float[] drawn = phases.Add("pictures", MemoryUse.Sampling, () => sampler.Latents(prompts, noise, finetuning.Adaptation), pictures);
        phases.Add("decode", MemoryUse.Autoencoder, () => sampler.Decode(drawn.AsSpan(0, latent.Length).ToArray()), pictures);
    }

    // What is done, and what the method would do with smaller latents.
    static string Iteration(Method method, Method said) =>
        $"{Of(method)} an iteration{(method == said ? "" : $", not {Of(said)} as on small latents: --pairs and --prior take as many as they say")}";

    static string Of(Method method) =>
        $"{method.Pairs} {(method.Pairs == 1 ? "pair" : "pairs")}{(method.PriorPairs > 0 ? $" and {method.PriorPairs} of the class" : "")}";
}
