using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Peers.Network;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tensors.Rng;
using Torch = TorchSharp.torch;

namespace IlgpuDiffusion.Peers.Cases;

/// One evaluation of Stable Diffusion's UNet as a step of guided sampling makes it, with and without text as one batch of two; random weights.
/// Both sides must predict the same before they are timed. The peer says what it predicts on one thread: on two it is 0.8 % off float64 at this width (libtorch of TorchSharp 0.107.0, AMD EPYC
/// with AVX-512), where ours and its own on one thread are within 4e-6 of it.
static class UNetCases
{
    const double Target = 1.5;
    const double Tolerance = 1e-3;
    const int Batch = 2;
    const int Tokens = 77;
    const float Timestep = 500;

    public static IEnumerable<PeerCase> All => [Case(32), Case(64)];

    static PeerCase Case(int size) => new("unet forward", $"SD 1.5's width, {size}x{size}, batch {Batch}", Target, device =>
    {
        UNetConfig config = UNetConfig.StableDiffusion;
        UNet unet = new(config);
        unet.Weights.Allocate(device, "unet");
        unet.Weights.Initialize(1);
        Arena arena = new(device);
        Shape sampleShape = [Batch, size, size, config.InChannels], contextShape = [Batch, Tokens, config.CrossAttentionDim];
        float[] sample = Normal(0, sampleShape.Count), context = Normal(1, contextShape.Count);
        PeerSide them = new();
        TorchUNet peer = new(config);
        peer.Modules.CopyFrom(unet.Weights);
        Torch.Tensor theirSample = Torch.tensor(ChannelOrder.ToFirst(sample, Batch, config.InChannels)).reshape(Batch, config.InChannels, size, size);
        Torch.Tensor theirContext = Torch.tensor(context).reshape(Batch, Tokens, config.CrossAttentionDim);
        Torch.Tensor timesteps = Torch.full(Batch, Timestep);

        float[] Ours(bool read)
        {
            Tape tape = new(arena, recording: false);
            Tensor predicted = unet.Forward(tape, tape.From(sample, sampleShape), [Timestep], tape.From(context, contextShape));
            float[] values = read ? predicted.ToArray() : [];
            arena.Reset();
            return values;
        }

        float[] ours = Ours(read: true);
        int threads = Torch.get_num_threads();
        Torch.set_num_threads(1);
        using (Torch.no_grad())
        using (Torch.NewDisposeScope())
        {
            float[] expected = ChannelOrder.ToLast(peer.Forward(theirSample, timesteps, theirContext).contiguous().data<float>().ToArray(), Batch, config.OutChannels);
            double largest = expected.Max(Math.Abs);
            if (!(ours.Zip(expected, (a, b) => Math.Abs(a - (double)b)).Max() <= Tolerance * largest))
                throw new IlgdException($"the two UNets differ: by {ours.Zip(expected, (a, b) => Math.Abs(a - (double)b)).Max():0.0e0} where the largest prediction is {largest}");
        }

        Torch.set_num_threads(threads);
        return new Pair(() => Ours(read: false), PeerSide.Forward(() => peer.Forward(theirSample, timesteps, theirContext)), arena, unet, them);
    });

    static float[] Normal(uint stream, long count)
    {
        float[] values = new float[count];
        new RngStream(1, stream, 0).FillNormal(values);
        return values;
    }
}
