using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Peers.Network;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tensors.Rng;
using IlgpuDiffusion.Training;
using IlgpuDiffusion.Training.Base;
using Parameter = TorchSharp.Modules.Parameter;
using Torch = TorchSharp.torch;

namespace IlgpuDiffusion.Peers.Cases;

/// A step of finetuning a UNet by LoRA as `personalize` does it: loss, gradients of the factors, clipping, AdamW. The text is encoded beforehand on both
/// sides. Both start from the same weights and factors and must agree on the loss before they are timed.
static class LoraStepCases
{
    const double MaxGradNorm = 1;
    const double LossTolerance = 1e-4;

    public static IEnumerable<PeerCase> All =>
    [
        Case("face-mini, batch 24, rank 16", FaceMini.UNet, FaceMini.UNet.SampleSize!.Value, FaceMini.Text.MaxPositionEmbeddings, 24, 16, 2),
        StableDiffusion(32),
        StableDiffusion(64),
    ];

    // 64x64 latents are a picture of 512x512.
    static PeerCase StableDiffusion(int size) => Case($"SD 1.5's width, {size}x{size}, batch 1, rank 4", UNetConfig.StableDiffusion, size, 77, 1, 4, 1.5);

    static PeerCase Case(string shape, UNetConfig config, int size, int tokens, int batch, int rank, double target) => new("lora training step", shape, target, device =>
    {
        OurStep ours = new(device, config, size, tokens, batch, rank);
        PeerStep peer = new(ours, config);
        double a = ours.Run(), b = peer.Run();
        if (!(Math.Abs(a - b) <= LossTolerance * Math.Abs(b)))
            throw new IlgdException($"the two networks differ: loss {a} against {b} of the peer");
        return new Pair(() => ours.Run(), () => peer.Run(), ours, peer);
    });

    sealed class OurStep : IDisposable
    {
        readonly Arena arena;
        readonly NoiseSchedule schedule = new(FaceMini.Scheduler);
        readonly AdamW optimizer;
        readonly TrainLoop loop;

        public OurStep(Device device, UNetConfig config, int size, int tokens, int batch, int rank)
        {
            arena = new Arena(device);
            UNet = new UNet(config);
            UNet.Weights.Allocate(device, "unet");
            UNet.Weights.Initialize(1);
            Adapter = AdapterSet.Lora(AdapterTarget.Of(UNet.Weights, new()), rank, rank, 1, device);
            Adapter.Attach();
            optimizer = new AdamW(Adapter.Weights, new AdamWSettings());
            loop = new TrainLoop(arena, [new Trainee("adapter", optimizer)], _ => 1, MaxGradNorm);
            Shape shape = [batch, size, size, config.InChannels];
            float[] latents = Normal(0, shape.Count), noise = Normal(1, shape.Count);
            Data = new NoisyBatch(latents, noise, Timesteps.Stratified(new RngStream(1, 2, 0), batch, schedule.Count), shape);
            ContextShape = [batch, tokens, config.CrossAttentionDim];
            Context = Normal(3, ContextShape.Count);
        }

        public UNet UNet { get; }

        public AdapterSet Adapter { get; }

        public NoisyBatch Data { get; }

        public Shape ContextShape { get; }

        public float[] Context { get; }

        public double Run() => loop.Step(0, tape => DenoisingLoss.Forward(tape, UNet, schedule, Data, tape.From(Context, ContextShape))).Loss;

        /// x_t, (B, L, h, w)
        public float[] Noisy()
        {
            int batch = Data.Shape[0], each = Data.Latents.Length / batch;
            float[] noisy = new float[Data.Latents.Length];
            for (int b = 0; b < batch; b++)
                schedule.AddNoise(Data.Timesteps[b], Data.Latents.AsSpan(b * each, each), Data.Noise.AsSpan(b * each, each), noisy.AsSpan(b * each, each));
            return ChannelOrder.ToFirst(noisy, batch, Data.Shape[3]);
        }

        static float[] Normal(uint stream, long count)
        {
            float[] values = new float[count];
            new RngStream(1, stream, 0).FillNormal(values);
            return values;
        }

        public void Dispose()
        {
            optimizer.Dispose();
            Adapter.Dispose();
            arena.Dispose();
            UNet.Dispose();
        }
    }

    sealed class PeerStep : IDisposable
    {
        readonly TorchSharp.DisposeScope scope = Torch.NewDisposeScope();
        readonly TorchUNet unet;
        readonly List<Parameter> parameters = [];
        readonly Torch.optim.Optimizer optimizer;
        readonly Torch.Tensor noisy;
        readonly Torch.Tensor noise;
        readonly Torch.Tensor timesteps;
        readonly Torch.Tensor context;

        public PeerStep(OurStep ours, UNetConfig config)
        {
            unet = new TorchUNet(config);
            unet.Modules.CopyFrom(ours.UNet.Weights);
            foreach (Torch.Tensor parameter in unet.Modules.Parameters)
                parameter.requires_grad = false;
            for (int i = 0; i < ours.Adapter.Targets.Count; i++)
            {
                Lora lora = (Lora)ours.Adapter.Adapters[i];
                Parameter down = Of(lora.Down), up = Of(lora.Up);
                unet.Modules.Linears[ours.Adapter.Targets[i].Key].Adapt(down, up);
                parameters.AddRange([down, up]);
            }

            optimizer = Torch.optim.AdamW(parameters, lr: 1e-3, weight_decay: 0.01);
            Shape s = ours.Data.Shape;
            noisy = Torch.tensor(ours.Noisy()).reshape(s[0], s[3], s[1], s[2]);
            noise = Torch.tensor(ChannelOrder.ToFirst(ours.Data.Noise, s[0], s[3])).reshape(s[0], s[3], s[1], s[2]);
            timesteps = Torch.tensor(Array.ConvertAll(ours.Data.Timesteps, t => (float)t));
            context = Torch.tensor(ours.Context).reshape(s[0], -1, config.CrossAttentionDim);
        }

        static Parameter Of(Nn.Parameter p) => new(Torch.tensor(p.Value.ToArray()).reshape(p.Shape[0], p.Shape[1]));

        public double Run()
        {
            using IDisposable step = Torch.NewDisposeScope();
            foreach (Parameter p in parameters)
                p.grad = null;
            Torch.Tensor loss = Torch.nn.functional.mse_loss(unet.Forward(noisy, timesteps, context), noise);
            loss.backward();
            Torch.nn.utils.clip_grad_norm_(parameters, MaxGradNorm);
            optimizer.step();
            return loss.item<float>();
        }

        public void Dispose()
        {
            optimizer.Dispose();
            scope.Dispose();
        }
    }
}
