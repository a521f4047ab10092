using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tensors.Rng;
using IlgpuDiffusion.Training;

namespace IlgpuDiffusion.Tests.Training;

/// The same seed gives the same bits: for any number of threads, and for a run that was cut off and resumed.
public sealed class ReproducibilityTests : IDisposable
{
    static readonly UNetConfig Network = new()
    {
        SampleSize = 8,
        BlockOutChannels = [16, 32],
        LayersPerBlock = 1,
        DownBlockTypes = ["DownBlock2D", "CrossAttnDownBlock2D"],
        UpBlockTypes = ["CrossAttnUpBlock2D", "UpBlock2D"],
        NormNumGroups = 8,
        CrossAttentionDim = 24,
        AttentionHeadDim = [2],
    };

    readonly string folder = Directory.CreateTempSubdirectory("ilgd-resume-").FullName;

    [Fact]
    public void One_and_two_threads_train_to_the_same_bits() => Assert.Equal(Train(threads: 1, 0, 6, null), Train(threads: 2, 0, 6, null));

    [Fact]
    public void A_run_cut_in_half_and_resumed_ends_in_the_same_bits()
    {
        string state = Path.Combine(folder, "state.safetensors");
        float[] whole = Train(threads: 2, 0, 6, null);
        Train(threads: 2, 0, 3, state);
        Assert.Equal(whole, Train(threads: 2, 3, 6, state));
    }

    [Fact]
    public void A_state_of_other_settings_is_refused()
    {
        string state = Path.Combine(folder, "state.safetensors");
        Train(threads: 1, 0, 1, state);
        using Run run = new(1);
        Assert.Contains("other settings", Assert.Throws<IlgdException>(() => TrainState.LoadIfThere(state, run.Trainees, "{\"seed\":8}")).Message);
    }

    [Theory]
    [InlineData("cpu")]
    [InlineData("opencl")]
    public void The_second_training_step_compiles_nothing_and_allocates_nothing(string device)
    {
        using Run run = new(device == "opencl" ? OpenCl.Open() : Device.Open(device, 2));
        run.Step(0);
        (long compiled, long allocated) = (run.Device.Kernels.Compiled, run.Device.SystemAllocations);
        run.Step(1);
        Assert.Equal((compiled, allocated), (run.Device.Kernels.Compiled, run.Device.SystemAllocations));
    }

    // Notes from the first step; in the second the weights' gradients and the update differ in nothing but the optimiser's numbers, so all but that part is replayed.
    [Fact]
    public void Launches_gathered_into_a_graph_train_to_the_same_bits()
    {
        const int steps = 5;
        using Run plain = new(OpenCl.Open()), gathered = new(OpenCl.Open(graphs: true));
        for (int step = 0; step < steps; step++)
        {
            plain.Step(step);
            gathered.Step(step);
        }

        Assert.Equal(plain.Trainees[0].Weights.Values.ToArray(), gathered.Trainees[0].Weights.Values.ToArray());
        Assert.Equal(plain.Trainees[0].Average!.Shadow.ToArray(), gathered.Trainees[0].Average!.Shadow.ToArray());
        Assert.Equal((0, 2 * (steps - 1)), (plain.Replays, gathered.Replays));
    }

    // Trains from step `from` (of a saved state, if any) to `to`; returns all weights and their averages.
    static float[] Train(int threads, int from, int to, string? state)
    {
        using Run run = new(threads);
        long start = state is null ? 0 : TrainState.LoadIfThere(state, run.Trainees, "{\"seed\":7}");
        Assert.Equal(from, start);
        for (long step = start; step < to; step++)
            run.Step(step);
        if (state is not null)
            TrainState.Save(state, run.Trainees, to, "{\"seed\":7}");
        return [.. run.Trainees[0].Weights.Values.ToArray(), .. run.Trainees[0].Average!.Shadow.ToArray()];
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    // A small UNet under training on random latents.
    sealed class Run : IDisposable
    {
        readonly UNet unet = new(Network);
        readonly AdamW optimizer;
        readonly Ema average;
        readonly Arena arena;
        readonly TrainLoop loop;
        readonly NoiseSchedule schedule = new(SchedulerConfig.StableDiffusion);

        public Run(int threads)
            : this(Device.Open("cpu", threads))
        {
        }

        /// The run disposes of the device.
        public Run(Device device)
        {
            Device = device;
            arena = new Arena(Device, 4 << 20);
            unet.Weights.Allocate(Device, "unet");
            unet.Weights.Initialize(7);
            optimizer = new AdamW(unet.Weights, new AdamWSettings());
            average = new Ema(unet.Weights, new EmaSettings { Decay = 0.9 });
            Trainees = [new Trainee("unet", optimizer, average)];
            loop = new TrainLoop(arena, Trainees, _ => 1, 1);
        }

        public Device Device { get; }

        public IReadOnlyList<Trainee> Trainees { get; }

        /// Parts of steps that were replayed.
        public long Replays => loop.Replays;

        public void Step(long step) => loop.Step(step, tape => Loss(tape, step));

        Tensor Loss(Tape tape, long step)
        {
            Shape shape = [2, 8, 8, 4];
            float[] latents = new float[shape.Count], noise = new float[shape.Count], context = new float[2 * 5 * 24];
            new RngStream(7, 1, 0).FillNormal(latents);
            new RngStream(7, 2, (ulong)step).FillNormal(noise);
            new RngStream(7, 3, 0).FillNormal(context);
            NoisyBatch batch = new(latents, noise, Timesteps.Stratified(new RngStream(7, 4, (ulong)step), 2, schedule.Count), shape);
            return DenoisingLoss.Forward(tape, unet, schedule, batch, tape.From(context, [2, 5, 24]));
        }

        public void Dispose()
        {
            loop.Dispose();
            optimizer.Dispose();
            average.Dispose();
            unet.Dispose();
            arena.Dispose();
            Assert.Equal(0, Device.LiveBuffers);
            Device.Dispose();
        }
    }
}
