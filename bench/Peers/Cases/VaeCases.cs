using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Peers.Network;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tensors.Rng;
using Torch = TorchSharp.torch;

namespace IlgpuDiffusion.Peers.Cases;

/// Latents to a picture through Stable Diffusion's decoder, random weights. Both sides must draw the same before they are timed.
static class VaeCases
{
    const double Target = 1.8;
    const double Tolerance = 1e-3;

    public static IEnumerable<PeerCase> All => [Case(256)];

    static PeerCase Case(int size) => new("vae decode", $"{size}x{size}", Target, device =>
    {
        VaeConfig config = VaeConfig.StableDiffusion;
        int side = size / config.Downscale;
        AutoencoderKL vae = new(config);
        vae.Weights.Allocate(device, "vae");
        vae.Weights.Initialize(1);
        Arena arena = new(device);
        float[] latent = new float[side * side * config.LatentChannels];
        new RngStream(1, 0, 0).FillNormal(latent);
        PeerSide them = new();
        TorchVaeDecoder decoder = new(config);
        decoder.Modules.CopyFrom(vae.Weights, "decoder.");
        Torch.Tensor theirs = PostQuant(vae, latent, config, side);

        float[] Ours(bool read)
        {
            Tape tape = new(arena, recording: false);
            Tensor picture = vae.Decode(tape, tape.From(latent, [1, side, side, config.LatentChannels]));
            float[] values = read ? picture.ToArray() : [];
            arena.Reset();
            return values;
        }

        Action peer = PeerSide.Forward(() => decoder.Forward(theirs));
        float[] ours = Ours(read: true);
        using (Torch.no_grad())
        using (Torch.NewDisposeScope())
        {
            float[] expected = Diffusion.ChannelOrder.ToLast(decoder.Forward(theirs).data<float>().ToArray(), 1, config.OutChannels);
            double largest = expected.Max(Math.Abs);
            if (ours.Zip(expected, (a, b) => Math.Abs(a - (double)b)).Max() > Tolerance * largest)
                throw new IlgdException("the two decoders differ");
        }

        return new Pair(() => Ours(read: false), peer, new Both(arena, vae), them);
    });

    // post_quant_conv, a 1×1 convolution of four channels, is no part of the peer's decoder: its share of the time is nothing.
    static Torch.Tensor PostQuant(AutoencoderKL vae, float[] latent, VaeConfig config, int side)
    {
        int l = config.LatentChannels;
        float[] w = vae.Weights["post_quant_conv.weight"].Value.ToArray(), b = vae.Weights["post_quant_conv.bias"].Value.ToArray(), mixed = new float[latent.Length];
        for (int i = 0; i < mixed.Length; i++)
        {
            mixed[i] = b[i % l];
            for (int c = 0; c < l; c++)
                mixed[i] += w[(i % l * l) + c] * latent[(i / l * l) + c];
        }

        return Torch.tensor(Diffusion.ChannelOrder.ToFirst(mixed, 1, l)).reshape(1, l, side, side);
    }

    sealed class Both(Arena arena, AutoencoderKL vae) : IDisposable
    {
        public void Dispose()
        {
            arena.Dispose();
            vae.Dispose();
        }
    }
}
