using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Personalization;

/// One picture for each of a list of prompts by classifier-free guidance, several at once: with and without text are one batch. Picture i has noise
/// of its own, from the seed and i alone, so a list with and without an adapter, or cut otherwise into batches, starts from the same noise.
public sealed class PromptSampler(DiffusionModel model, Arena arena, Sampling sampling, ulong seed, int side)
{
    const int AtOnce = 8;

    /// `side`: of the latents   `progress`: denoising steps done, of all, counted in pictures   returns (N, side, side, L)
    public float[] Latents(IReadOnlyList<string> prompts, Action<int, int>? progress = null) => Latents(prompts, progress, (chunk, _) => Own(chunk));

    /// The same with an adapter that is on, guided by the base model too (<see cref="GuidanceFrom.Both"/>): `basePrompts` say the same without the person,
    /// `classPrompt` says what a person is to the base.
    public float[] Latents(IReadOnlyList<string> prompts, IReadOnlyList<string> basePrompts, string classPrompt, AdapterSet adapter, Action<int, int>? progress = null) =>
        Latents(prompts, progress, (chunk, start) => WithBase(chunk, [.. basePrompts.Skip(start).Take(chunk.Length)], classPrompt, adapter));

    // A chunk's prediction for samples at a timestep, guidance included.
    delegate float[] Prediction(float[] samples, int timestep);

    float[] Latents(IReadOnlyList<string> prompts, Action<int, int>? progress, Func<string[], int, Prediction> predictionOf)
    {
        int each = side * side * model.UNet.Config.InChannels;
        float[] latents = new float[prompts.Count * each];
        for (int start = 0; start < prompts.Count; start += AtOnce)
        {
            string[] chunk = [.. prompts.Skip(start).Take(AtOnce)];
            int before = start * sampling.Steps;
            Sample(predictionOf(chunk, start), chunk.Length, start, latents.AsSpan(start * each, chunk.Length * each), step => progress?.Invoke(before + (step * chunk.Length), prompts.Count * sampling.Steps));
        }

        return latents;
    }

    /// latents: (N, side, side, L)
    public RgbImage[] Decode(ReadOnlySpan<float> latents)
    {
        int each = side * side * model.Vae.Config.LatentChannels;
        RgbImage[] pictures = new RgbImage[latents.Length / each];
        for (int i = 0; i < pictures.Length; i++)
        {
            Tape tape = new(arena, recording: false);
            float[] unscaled = latents.Slice(i * each, each).ToArray();
            for (int k = 0; k < each; k++)
                unscaled[k] /= model.Vae.ScalingFactor;
            Tensor picture = model.Vae.Decode(tape, tape.From(unscaled, [1, side, side, model.Vae.Config.LatentChannels]));
            pictures[i] = new RgbImage(picture.Shape[2], picture.Shape[1], Array.ConvertAll(picture.ToArray(), v => (byte)MathF.Round(Math.Clamp((v / 2) + 0.5f, 0, 1) * 255)));
            arena.Reset();
        }

        return pictures;
    }

    Prediction Own(string[] prompts)
    {
        bool guided = sampling.Guidance > 1;
        float[] context = Encode(guided ? [.. prompts.Select(_ => ""), .. prompts] : prompts);
        return (samples, timestep) =>
        {
            if (!guided)
                return Predict(samples, timestep, context, prompts.Length);
            float[] both = Predict([.. samples, .. samples], timestep, context, 2 * prompts.Length);
            float[] guidedBy = both[..samples.Length];
            for (int i = 0; i < samples.Length; i++)
                guidedBy[i] += sampling.Guidance * (both[samples.Length + i] - both[i]);
            return guidedBy;
        };
    }

    Prediction WithBase(string[] prompts, string[] basePrompts, string classPrompt, AdapterSet adapter)
    {
        Prediction own = Own(prompts);
        adapter.Detach();
        float[] baseContext = Encode([.. basePrompts.Select(_ => classPrompt), .. basePrompts]);
        adapter.Attach();
        return (samples, timestep) =>
        {
            float[] person = own(samples, timestep);
            adapter.Detach();
            float[] both = Predict([.. samples, .. samples], timestep, baseContext, 2 * prompts.Length);
            adapter.Attach();
            for (int i = 0; i < samples.Length; i++)
                person[i] += sampling.Guidance / 2 * (both[samples.Length + i] - both[i]);
            return person;
        };
    }

    void Sample(Prediction predict, int n, int first, Span<float> latents, Action<int> progress)
    {
        int each = latents.Length / n;
        IScheduler scheduler = Schedulers.Create(sampling.Scheduler, model.Scheduler);
        scheduler.SetTimesteps(sampling.Steps);
        PictureNoise[] sources = [.. Enumerable.Range(first, n).Select(i => new PictureNoise(seed, i))];
        void Noise(Span<float> destination)
        {
            for (int i = 0; i < n; i++)
                sources[i].Fill(destination.Slice(i * each, each));
        }

        Noise(latents);
        for (int i = 0; i < latents.Length; i++)
            latents[i] *= scheduler.InitNoiseSigma;
        for (int step = 0; step < sampling.Steps; step++)
        {
            float[] input = latents.ToArray();
            scheduler.ScaleModelInput(step, input);
            scheduler.Step(step, predict(input, scheduler.Timesteps[step]), latents, Noise);
            progress(step + 1);
        }
    }

    // (prompts, T, D), on the host: the arena starts afresh at each step.
    float[] Encode(string[] prompts)
    {
        int tokens = model.TextEncoder.Config.MaxPositionEmbeddings;
        Tape tape = new(arena, recording: false);
        float[] context = model.TextEncoder.Forward(tape, [.. prompts.SelectMany(p => model.Tokenizer.EncodePadded(p, tokens))], prompts.Length).ToArray();
        arena.Reset();
        return context;
    }

    float[] Predict(float[] samples, int timestep, float[] context, int batch)
    {
        int features = model.UNet.Config.CrossAttentionDim;
        Tape tape = new(arena, recording: false);
        Tensor y = model.UNet.Forward(
            tape,
            tape.From(samples, [batch, side, side, model.UNet.Config.InChannels]),
            [timestep],
            tape.From(context, [batch, context.Length / (batch * features), features]));
        float[] prediction = y.ToArray();
        arena.Reset();
        return prediction;
    }
}
