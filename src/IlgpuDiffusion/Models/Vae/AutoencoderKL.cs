using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// The autoencoder of latent diffusion (Rombach et al. 2022): pictures in [−1, 1] to the moments of a normal distribution over latents, and
/// latents back to pictures. Latents of Encode and Decode are unscaled; the UNet's are these times ScalingFactor.
public sealed class AutoencoderKL : IDisposable
{
    readonly VaeEncoder encoder;
    readonly VaeDecoder decoder;
    readonly Conv2d? quantConv;
    readonly Conv2d? postQuantConv;

    /// Declares the parameters; call Weights.Allocate before use.
    public AutoencoderKL(VaeConfig config)
    {
        Config = config;
        WeightScope w = Weights.Root;
        int latent = config.LatentChannels;
        encoder = new VaeEncoder(w.Scope("encoder"), config);
        decoder = new VaeDecoder(w.Scope("decoder"), config);
        quantConv = config.UseQuantConv ? new Conv2d(w.Scope("quant_conv"), 2 * latent, 2 * latent, 1) : null;
        postQuantConv = config.UsePostQuantConv ? new Conv2d(w.Scope("post_quant_conv"), latent, latent, 1) : null;
    }

    public VaeConfig Config { get; }

    public Weights Weights { get; } = new();

    public float ScalingFactor => Config.ScalingFactor;

    /// image: (B, H, W, in), in [−1, 1]   returns (B, h, w, 2L): mean, then log variance before clamping
    public Tensor EncodeMoments(Tape tape, Tensor image)
    {
        Shape s = image.Shape;
        if (s.Rank != 4 || s[3] != Config.InChannels || s[1] % Config.Downscale != 0 || s[2] % Config.Downscale != 0)
            throw new IlgdException($"VAE: an image {s} should be (B, H, W, {Config.InChannels}) with H and W multiples of {Config.Downscale}");
        Tensor moments = encoder.Forward(tape, image);
        return quantConv?.Forward(tape, moments) ?? moments;
    }

    /// The mean of the latents' distribution.   moments: (B, h, w, 2L)   returns (B, h, w, L)
    public Tensor Mode(Tape tape, Tensor moments) => Ops.Slice.Forward(tape, moments, -1, 0, Config.LatentChannels);

    /// A draw, mean + exp(logvar / 2) · noise with logvar clamped to [−30, 20]. On the host, without gradient: latents are data.
    /// moments: (B, h, w, 2L)   noise: standard normal, (B, h, w, L)   returns (B, h, w, L)
    public Tensor Sample(Tape tape, Tensor moments, ReadOnlySpan<float> noise)
    {
        int l = Config.LatentChannels;
        float[] values = moments.ToArray(), draw = new float[moments.Count / 2];
        for (int i = 0; i < draw.Length; i++)
        {
            int at = (i / l * 2 * l) + (i % l);
            draw[i] = values[at] + (MathF.Exp(0.5f * Math.Clamp(values[at + l], -30, 20)) * noise[i]);
        }

        return tape.From(draw, moments.Shape.WithLast(l));
    }

    /// latent: (B, h, w, L), already divided by ScalingFactor   returns (B, H, W, out), about [−1, 1], not clamped
    public Tensor Decode(Tape tape, Tensor latent)
    {
        if (latent.Shape.Rank != 4 || latent.Shape[3] != Config.LatentChannels)
            throw new IlgdException($"VAE: a latent {latent.Shape} should be (B, h, w, {Config.LatentChannels})");
        return decoder.Forward(tape, postQuantConv?.Forward(tape, latent) ?? latent);
    }

    public void Dispose() => Weights.Dispose();
}
