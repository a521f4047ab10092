using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tensors.Rng;

namespace IlgpuDiffusion.Diffusion;

/// What to sample.
public sealed record TextToImageRequest
{
    /// One picture each.
    public required IReadOnlyList<string> Prompts { get; init; }

    public string NegativePrompt { get; init; } = "";

    /// Of a picture, in pixels.
    public int Width { get; init; } = 512;

    public int Height { get; init; } = 512;

    public int Steps { get; init; } = 50;

    /// w in ε = ε(∅) + w (ε(text) − ε(∅)) (Ho and Salimans 2022). 1 and below samples from the text alone, at half the cost.
    public float GuidanceScale { get; init; } = 7.5f;

    /// φ of Lin et al. 2023, section 3.4: how far the guided prediction's spread is set back to the unguided one's.
    public float GuidanceRescale { get; init; }

    /// Last layers of the text encoder to leave out.
    public int ClipSkip { get; init; }
}

/// Text to pictures by guided sampling; with and without text run as one batch. Latents on the host are in published order, (N, L, h, w), so that a
/// seed's draws fall where torch's do.
public sealed class TextToImage(DiffusionModel model, Arena arena, MemorySettings? memory = null)
{
    readonly MemorySettings memory = memory ?? new MemorySettings();
    readonly int downscale = model.HasVae ? model.Vae.Config.Downscale : 8;

    /// The pictures from torch's random numbers: picture i is the one that diffusers draws with seed + i.
    public RgbImage[] Run(TextToImageRequest request, IScheduler scheduler, ulong seed)
    {
        int n = request.Prompts.Count;
        int[] shape = LatentShape(request);
        int each = shape[1] * shape[2] * shape[3];
        TorchGenerator[] generators = [.. Enumerable.Range(0, n).Select(i => new TorchGenerator(seed + (ulong)i))];
        void Noise(Span<float> destination)
        {
            for (int i = 0; i < n; i++)
                generators[i].Randn(destination.Slice(i * each, each));
        }

        float[] latents = new float[n * each];
        Noise(latents);
        scheduler.SetTimesteps(request.Steps);
        for (int i = 0; i < latents.Length; i++)
            latents[i] *= scheduler.InitNoiseSigma;
        Sampler.Run(Guided(request), scheduler, latents, Noise);
        return [.. Enumerable.Range(0, n).Select(i => ToImage(Decode(latents.AsSpan(i * each, each), request.Height, request.Width), request.Width))];
    }

    /// (N, L, h, w) of the pictures asked for. Errors: a width or height that the model's levels do not divide.
    public int[] LatentShape(TextToImageRequest request)
    {
        int multiple = downscale << (model.UNet.Config.BlockOutChannels.Length - 1);
        if (request.Width < multiple || request.Height < multiple || request.Width % multiple != 0 || request.Height % multiple != 0)
            throw new IlgdException($"a picture of {request.Width} x {request.Height}: width and height must be multiples of {multiple} for this model");
        return [request.Prompts.Count, model.UNet.Config.InChannels, request.Height / downscale, request.Width / downscale];
    }

    /// Classifier-free guidance by the request's prompts.
    public Prediction Guided(TextToImageRequest request)
    {
        int[] shape = LatentShape(request);
        if (request.GuidanceScale <= 1)
        {
            float[] text = Encode(request.Prompts, request.ClipSkip);
            return (samples, timestep) => Predict(samples, timestep, text, shape);
        }

        float[] context = Encode([.. request.Prompts.Select(_ => request.NegativePrompt), .. request.Prompts], request.ClipSkip);
        float[] Both(float[] samples, float timestep) => memory.GuidanceApart
            ? [.. Predict(samples, timestep, context[..(context.Length / 2)], shape), .. Predict(samples, timestep, context[(context.Length / 2)..], shape)]
            : Predict([.. samples, .. samples], timestep, context, [2 * shape[0], .. shape[1..]]);
        return (samples, timestep) => Guidance.Apply(Both(samples, timestep), shape[0], request.GuidanceScale, request.GuidanceRescale);
    }

    /// ε of the latents of one picture, (L, h, w)   returns the picture, (H, W, 3) in [0, 1]
    public float[] Decode(ReadOnlySpan<float> latents, int height, int width)
    {
        VaeConfig vae = model.Vae.Config;
        float[] scaled = ChannelOrder.ToLast(latents, 1, vae.LatentChannels);
        for (int i = 0; i < scaled.Length; i++)
            scaled[i] /= vae.ScalingFactor;
        int h = height / vae.Downscale, w = width / vae.Downscale;
        float[] image;
        if (memory.VaeTile > 0 && Math.Max(h, w) > memory.VaeTile)
        {
            image = VaeTiling.Decode(model.Vae, arena, scaled, h, w, memory.VaeTile);
        }
        else
        {
            Tape tape = new(arena, recording: false);
            image = model.Vae.Decode(tape, tape.From(scaled, [1, h, w, vae.LatentChannels])).ToArray();
            arena.Reset();
        }

        for (int i = 0; i < image.Length; i++)
            image[i] = Math.Clamp((image[i] / 2) + 0.5f, 0, 1);
        return image;
    }

    /// Values in [0, 1], (H, W, 3), as a picture, rounded to nearest.
    public static RgbImage ToImage(float[] values, int width) =>
        new(width, values.Length / (3 * width), Array.ConvertAll(values, v => (byte)MathF.Round(v * 255)));

    // (prompts, T, D), on the host: the arena starts afresh at each step.
    float[] Encode(IReadOnlyList<string> prompts, int clipSkip)
    {
        int tokens = model.TextEncoder.Config.MaxPositionEmbeddings;
        int[] ids = [.. prompts.SelectMany(p => model.Tokenizer.EncodePadded(p, tokens))];
        Tape tape = new(arena, recording: false);
        float[] context = model.TextEncoder.Forward(tape, ids, prompts.Count, clipSkip).ToArray();
        arena.Reset();
        return context;
    }

    // samples: (B, L, h, w), each with its own text
    float[] Predict(float[] samples, float timestep, float[] context, int[] shape)
    {
        int batch = shape[0], features = model.UNet.Config.CrossAttentionDim;
        Tape tape = new(arena, recording: false);
        Tensor y = model.UNet.Forward(
            tape,
            tape.From(ChannelOrder.ToLast(samples, batch, shape[1]), [batch, shape[2], shape[3], shape[1]]),
            [timestep],
            tape.From(context, [batch, context.Length / (batch * features), features]));
        float[] prediction = ChannelOrder.ToFirst(y.ToArray(), batch, model.UNet.Config.OutChannels);
        arena.Reset();
        return prediction;
    }
}
