using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Peers.Network;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tensors.Rng;
using IlgpuDiffusion.Training;
using IlgpuDiffusion.Training.Base;
using Torch = TorchSharp.torch;

namespace IlgpuDiffusion.Peers.Cases;

/// A whole training step of face-mini: text encoder, UNet, loss, gradients of all parameters; in the second case also clipping by the global
/// norm and AdamW. Both sides start from the same weights and must agree on the loss before they are timed.
static class TrainingStepCases
{
    const double Target = 2;
    const int Batch = 20;
    const double MaxGradNorm = 1;
    const double LossTolerance = 1e-4;

    public static IEnumerable<PeerCase> All => [Case(update: false), Case(update: true)];

    static PeerCase Case(bool update) => new(update ? "training step" : "loss+gradients", $"face-mini, batch {Batch}", Target, device =>
    {
        OurStep ours = new(device, update);
        PeerStep peer = new(ours, update);
        double a = ours.Run(), b = peer.Run();
        if (!(Math.Abs(a - b) <= LossTolerance * Math.Abs(b)))
            throw new IlgdException($"the two networks differ: loss {a} against {b} of the peer");
        return new Pair(() => ours.Run(), () => peer.Run(), ours, peer);
    });

    sealed class OurStep : IDisposable
    {
        readonly Arena arena;
        readonly NoiseSchedule schedule = new(FaceMini.Scheduler);
        readonly AdamW[] optimizers;
        readonly TrainLoop? loop;

        public OurStep(Device device, bool update)
        {
            arena = new Arena(device);
            UNet.Weights.Allocate(device, "unet");
            Text.Weights.Allocate(device, "text_encoder");
            UNet.Weights.Initialize(1);
            Text.Weights.Initialize(1);
            optimizers = [.. new[] { UNet.Weights, Text.Weights }.Select(w => new AdamW(w, new AdamWSettings()))];
            loop = update ? new TrainLoop(arena, [new Trainee("unet", optimizers[0]), new Trainee("text_encoder", optimizers[1])], _ => 1, MaxGradNorm) : null;

            int size = FaceMini.UNet.SampleSize!.Value;
            Shape shape = [Batch, size, size, FaceMini.UNet.InChannels];
            float[] latents = new float[shape.Count], noise = new float[shape.Count];
            new RngStream(1, 0, 0).FillNormal(latents);
            new RngStream(1, 1, 0).FillNormal(noise);
            Data = new NoisyBatch(latents, noise, Timesteps.Stratified(new RngStream(1, 2, 0), Batch, schedule.Count), shape);
            RngStream words = new(1, 3, 0);
            Ids = [.. Enumerable.Range(0, Batch * FaceMini.Text.MaxPositionEmbeddings).Select(i => words.Integer(i, 0, FaceMini.Text.VocabSize))];
        }

        public UNet UNet { get; } = new(FaceMini.UNet);

        public ClipTextModel Text { get; } = new(FaceMini.Text);

        public NoisyBatch Data { get; }

        public int[] Ids { get; }

        /// x_t and ε, channels first.
        public (float[] Noisy, float[] Noise) Inputs()
        {
            int each = Data.Latents.Length / Batch;
            float[] noisy = new float[Data.Latents.Length];
            for (int b = 0; b < Batch; b++)
                schedule.AddNoise(Data.Timesteps[b], Data.Latents.AsSpan(b * each, each), Data.Noise.AsSpan(b * each, each), noisy.AsSpan(b * each, each));
            return (ChannelOrder.ToFirst(noisy, Batch, Data.Shape[3]), ChannelOrder.ToFirst(Data.Noise, Batch, Data.Shape[3]));
        }

        public double Run()
        {
            if (loop is not null)
                return loop.Step(0, Loss).Loss;
            foreach (AdamW optimizer in optimizers)
                optimizer.Weights.ZeroGrad();
            Tape tape = new(arena);
            Tensor loss = Loss(tape);
            tape.Backward(loss);
            double value = loss.Item();
            arena.Reset();
            return value;
        }

        Tensor Loss(Tape tape) => DenoisingLoss.Forward(tape, UNet, schedule, Data, Text.Forward(tape, Ids, Batch));

        public void Dispose()
        {
            foreach (AdamW optimizer in optimizers)
                optimizer.Dispose();
            arena.Dispose();
            UNet.Dispose();
            Text.Dispose();
        }
    }

    sealed class PeerStep : IDisposable
    {
        readonly TorchSharp.DisposeScope scope = Torch.NewDisposeScope();
        readonly TorchUNet unet = new(FaceMini.UNet);
        readonly TorchTextEncoder text = new(FaceMini.Text);
        readonly TorchSharp.Modules.Parameter[] parameters;
        readonly Torch.optim.Optimizer? optimizer;
        readonly Torch.Tensor noisy;
        readonly Torch.Tensor noise;
        readonly Torch.Tensor timesteps;
        readonly Torch.Tensor ids;

        public PeerStep(OurStep ours, bool update)
        {
            unet.Modules.CopyFrom(ours.UNet.Weights);
            text.Modules.CopyFrom(ours.Text.Weights);
            parameters = [.. unet.Modules.Parameters.Concat(text.Modules.Parameters).Cast<TorchSharp.Modules.Parameter>()];
            optimizer = update ? Torch.optim.AdamW(parameters, lr: 1e-3, weight_decay: 0.01) : null;
            (float[] x, float[] target) = ours.Inputs();
            Shape s = ours.Data.Shape;
            noisy = Torch.tensor(x).reshape(Batch, s[3], s[1], s[2]);
            noise = Torch.tensor(target).reshape(Batch, s[3], s[1], s[2]);
            timesteps = Torch.tensor(Array.ConvertAll(ours.Data.Timesteps, t => (float)t));
            ids = Torch.tensor(Array.ConvertAll(ours.Ids, i => (long)i)).reshape(Batch, -1);
        }

        public double Run()
        {
            using IDisposable step = Torch.NewDisposeScope();
            foreach (TorchSharp.Modules.Parameter p in parameters)
                p.grad = null;
            Torch.Tensor loss = Torch.nn.functional.mse_loss(unet.Forward(noisy, timesteps, text.Forward(ids)), noise);
            loss.backward();
            if (optimizer is not null)
            {
                Torch.nn.utils.clip_grad_norm_(parameters, MaxGradNorm);
                optimizer.step();
            }

            return loss.item<float>();
        }

        public void Dispose()
        {
            optimizer?.Dispose();
            scope.Dispose();
        }
    }
}
