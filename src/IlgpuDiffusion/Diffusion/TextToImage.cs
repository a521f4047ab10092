using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tensors.Rng;

namespace IlgpuDiffusion.Diffusion;

/// What to sample.
public sealed record TextToImageRequest
{
    public required string Prompt { get; init; }

    public string NegativePrompt { get; init; } = "";

    /// Of the picture, in pixels.
    public int Width { get; init; } = 512;

    public int Height { get; init; } = 512;

    public int Steps { get; init; } = 50;

    /// w in ε = ε(∅) + w (ε(text) − ε(∅)) (Ho and Salimans 2021). 1 and below samples from the text alone, at half the cost.
    public float GuidanceScale { get; init; } = 7.5f;

    /// φ of Lin et al. 2023, section 3.4: how far the guided prediction's spread is set back to the unguided one's.
    public float GuidanceRescale { get; init; }

    /// Of the first latents and of the sampler's noise; the same pictures as torch's CPU generator with this seed.
    public ulong Seed { get; init; }

    /// Last layers of the text encoder to leave out.
    public int ClipSkip { get; init; }
}

/// Text to picture by classifier-free guided sampling; with and without text run as one batch of two. Latents on the host are in published
/// order, (1, L, h, w), so that a seed's draws fall where torch's do.
public sealed class TextToImage(DiffusionModel model, Arena arena)
{
    /// The picture, (H, W, 3) in [0, 1]. `onStep` gets step and latents after it.
    public float[] Run(TextToImageRequest request, IScheduler scheduler, Action<int, ReadOnlySpan<float>>? onStep = null)
    {
        TorchGenerator generator = new(request.Seed);
        float[] latents = new float[LatentCount(request)];
        generator.Randn(latents);
        scheduler.SetTimesteps(request.Steps);
        for (int i = 0; i < latents.Length; i++)
            latents[i] *= scheduler.InitNoiseSigma;
        Sample(request, scheduler, latents, onStep, generator.Randn);
        return Decode(latents, request.Height, request.Width);
    }

    /// Takes latents from noise to a sample in place, (1, L, h, w) already times the scheduler's first sigma.
    public void Sample(
        TextToImageRequest request, IScheduler scheduler, float[] latents, Action<int, ReadOnlySpan<float>>? onStep = null, NormalSource? noise = null)
    {
        if (latents.Length != LatentCount(request))
            throw new IlgdException($"{latents.Length} latents given; a picture of {request.Width} x {request.Height} needs {LatentCount(request)}");
        bool guided = request.GuidanceScale > 1;
        float[] context = Encode(guided ? [request.NegativePrompt, request.Prompt] : [request.Prompt], request.ClipSkip);
        scheduler.SetTimesteps(request.Steps);
        float[] input = new float[latents.Length];
        for (int i = 0; i < request.Steps; i++)
        {
            latents.CopyTo(input, 0);
            scheduler.ScaleModelInput(i, input);
            float[] prediction = Predict(request, input, scheduler.Timesteps[i], context, guided ? 2 : 1);
            if (guided)
                prediction = Guided(prediction, request.GuidanceScale, request.GuidanceRescale);
            scheduler.Step(i, prediction, latents, noise);
            onStep?.Invoke(i, latents);
        }
    }

    /// latents: (1, L, h, w)   returns the picture, (H, W, 3) in [0, 1]
    public float[] Decode(ReadOnlySpan<float> latents, int height, int width)
    {
        VaeConfig vae = model.Vae.Config;
        float[] scaled = ChannelOrder.ToLast(latents, 1, vae.LatentChannels);
        for (int i = 0; i < scaled.Length; i++)
            scaled[i] /= vae.ScalingFactor;
        Tape tape = new(arena, recording: false);
        float[] image = model.Vae.Decode(tape, tape.From(scaled, [1, height / vae.Downscale, width / vae.Downscale, vae.LatentChannels])).ToArray();
        arena.Reset();
        for (int i = 0; i < image.Length; i++)
            image[i] = Math.Clamp((image[i] / 2) + 0.5f, 0, 1);
        return image;
    }

    /// Values in [0, 1] as bytes, rounded to nearest.
    public static byte[] ToBytes(ReadOnlySpan<float> image)
    {
        byte[] bytes = new byte[image.Length];
        for (int i = 0; i < image.Length; i++)
            bytes[i] = (byte)MathF.Round(image[i] * 255);
        return bytes;
    }

    // (prompts, T, D), on the host: the arena starts afresh at each step.
    float[] Encode(string[] prompts, int clipSkip)
    {
        int tokens = model.TextEncoder.Config.MaxPositionEmbeddings;
        int[] ids = [.. prompts.SelectMany(p => model.Tokenizer.EncodePadded(p, tokens))];
        Tape tape = new(arena, recording: false);
        float[] context = model.TextEncoder.Forward(tape, ids, prompts.Length, clipSkip).ToArray();
        arena.Reset();
        return context;
    }

    // One forward pass of `batch` copies of the latents, each with its own text.
    float[] Predict(TextToImageRequest request, float[] latents, int timestep, float[] context, int batch)
    {
        int channels = model.UNet.Config.InChannels, scale = model.HasVae ? model.Vae.Config.Downscale : 8;
        float[] one = ChannelOrder.ToLast(latents, 1, channels);
        float[] samples = [.. Enumerable.Repeat(one, batch).SelectMany(s => s)];
        int features = model.UNet.Config.CrossAttentionDim;
        Tape tape = new(arena, recording: false);
        Tensor y = model.UNet.Forward(
            tape,
            tape.From(samples, [batch, request.Height / scale, request.Width / scale, channels]),
            [timestep],
            tape.From(context, [batch, context.Length / (batch * features), features]));
        float[] prediction = ChannelOrder.ToFirst(y.ToArray(), batch, model.UNet.Config.OutChannels);
        arena.Reset();
        return prediction;
    }

    // both: without text, then with
    static float[] Guided(float[] both, float scale, float rescale)
    {
        int n = both.Length / 2;
        ReadOnlySpan<float> without = both.AsSpan(0, n), with = both.AsSpan(n);
        float[] guided = new float[n];
        for (int i = 0; i < n; i++)
            guided[i] = without[i] + (scale * (with[i] - without[i]));
        if (rescale > 0)
        {
            double factor = (rescale * StandardDeviation(with) / StandardDeviation(guided)) + (1 - rescale);
            for (int i = 0; i < n; i++)
                guided[i] = (float)(guided[i] * factor);
        }

        return guided;
    }

    static double StandardDeviation(ReadOnlySpan<float> values)
    {
        double sum = 0, squares = 0;
        foreach (float v in values)
            sum += v;
        double mean = sum / values.Length;
        foreach (float v in values)
            squares += (v - mean) * (v - mean);
        return Math.Sqrt(squares / (values.Length - 1));
    }

    int LatentCount(TextToImageRequest request)
    {
        int scale = model.HasVae ? model.Vae.Config.Downscale : 8, multiple = scale << (model.UNet.Config.BlockOutChannels.Length - 1);
        if (request.Width < multiple || request.Height < multiple || request.Width % multiple != 0 || request.Height % multiple != 0)
            throw new IlgdException($"a picture of {request.Width} x {request.Height}: width and height must be multiples of {multiple} for this model");
        return request.Height / scale * (request.Width / scale) * model.UNet.Config.InChannels;
    }
}
