using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Personalization;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tensors.Rng;
using IlgpuDiffusion.Tests.Cli;
using IlgpuDiffusion.Training;
using RgbImage = IlgpuDiffusion.IO.RgbImage;

namespace IlgpuDiffusion.Tests.Personalization;

/// The plan against what the device and the arenas really allocated.
public sealed class MemoryPlanTests(TinyModel model) : IClassFixture<TinyModel>
{
    // The plan goes through the same code, so only what it leaves out may differ: steps after the first, and files written.
    const double Tolerance = 0.02;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Generation_takes_what_the_plan_says(bool fromImage)
    {
        GenerationRun run = new()
        {
            Model = model.Folder,
            Prompts = ["a face", "a face in snow"],
            Sampling = new Sampling { Steps = 3 },
            Image = fromImage ? model.Photo : null,
            Width = 32,
            Height = 32,
            Threads = 1,
            Out = model.NewPlace(),
        };
        MemoryPlan plan = new Generator(run).Run().Memory;

        // The phases of the run, measured on a device of their own.
        using Device device = Device.Open("cpu", 1);
        using DiffusionModel loaded = ModelFolder.Load(model.Folder, device);
        using Arena arena = new(device);
        PictureSampler sampler = new(loaded, arena, run.Sampling.For(loaded), run.Subject, 32, 32);
        if (fromImage)
            Agrees(plan, "image", device, () => Photo.Encode(loaded, arena, new RgbImage(32, 32)));
        int each = 4 * 16 * 16;
        float[] latents = [];
        Agrees(plan, "pictures", device, () => latents = sampler.Latents(run.Prompts, StartingNoise.Of(0, 2, 4, each)));
        Agrees(plan, "decode", device, () => sampler.Decode(latents));
    }

    [Theory]
    [InlineData("lora", 0)]
    [InlineData("lidb", 0)]
    [InlineData("dreambooth", 2)]
    public void Personalisation_takes_what_the_plan_says(string method, int prior)
    {
        PersonalizationRun run = Settings(Method.ByName(method) with { Steps = 3, Pairs = 4, PriorPairs = prior, PriorPictures = 2 });
        MemoryPlan plan = PersonalizationPlan.Of(run);
        using Device device = Device.Open("cpu", 1);
        using DiffusionModel loaded = ModelFolder.Load(model.Folder, device);
        using Arena arena = new(device);
        Shape shape = [8, 8, 4];
        Agrees(plan, "photo", device, () => Photo.Encode(loaded, arena, new RgbImage(16, 16)));
        Agrees(plan, "loss", device, () => PhotoLoss.Measure(loaded, arena, new float[256], shape, "a face", 64));
        Finetuning? finetuning = null;
        Agrees(plan, "finetuning", device, () =>
        {
            finetuning = new Finetuning(loaded, run.Method, run.Subject, new float[256], new float[prior > 0 ? 512 : 0], shape, 1, arena, memory: plan.Settings);
            finetuning.Run();
            arena.Release();
        });
        PictureSampler sampler = new(loaded, arena, run.Sampling.For(loaded), run.Subject, 16, 16, memory: plan.Settings);
        Agrees(plan, "pictures", device, () => sampler.Latents(run.Prompts, StartingNoise.Of(0, run.Prompts.Count, 4, 256), finetuning!.Adapter));
        finetuning!.Dispose();
    }

    /// One resnet and its attention as wide as Stable Diffusion's, with and without checkpointing: planned, then done.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_block_of_the_width_of_Stable_Diffusion_takes_what_planning_counts(bool checkpoint)
    {
        using Device planned = Device.Plan(), real = Device.Open("cpu", 1);
        Assert.Equal(Held(planned, checkpoint), Held(real, checkpoint));
        Assert.Equal(0, planned.LiveBytes);
    }

    [Fact]
    public void Each_part_gives_up_what_is_its_own_and_only_where_it_is_too_large()
    {
        static IReadOnlyList<MemoryPhase> Phases(MemorySettings s) =>
        [
            Phase("decode", MemoryUse.Autoencoder, s.VaeTile switch { 0 => 9, 64 => 8, 32 => 5, _ => 4 }),
            Phase("pictures", MemoryUse.Sampling, s.GuidanceApart ? 4 : 6),
            Phase("finetuning", MemoryUse.Training, s.Checkpointing ? 6 : 12),
        ];
        static MemoryPhase Phase(string name, MemoryUse use, long bytes) => new(name, use, new Dictionary<string, long> { ["all"] = bytes });

        Assert.Equal(new MemorySettings(), MemoryPlan.Within(null, Phases).Settings);
        Assert.Equal(new MemorySettings(), MemoryPlan.Within(12, Phases).Settings);
        Assert.Equal(new MemorySettings { Checkpointing = true }, MemoryPlan.Within(9, Phases).Settings);
        Assert.Equal(new MemorySettings { Checkpointing = true, VaeTile = 32 }, MemoryPlan.Within(6, Phases).Settings);
        IlgdException e = Assert.Throws<IlgdException>(() => MemoryPlan.Within(5, Phases));
        Assert.Contains("finetuning takes", e.Message);
    }

    [Fact]
    public void A_budget_that_cannot_be_met_is_one_line_with_the_smallest_that_can()
    {
        Captured run = Captured.Ilgd("generate", "--model", model.Folder, "--prompt", "a face", "--memory-budget", "1M", "--out", model.NewPlace());
        Assert.Equal(1, run.Code);
        Assert.Contains("1.0 MB cannot be met", run.OneLine());
        string smallest = run.OneLine().Split("--memory-budget ")[1];
        Captured enough = Captured.Ilgd("generate", "--model", model.Folder, "--prompt", "a face", "--memory-budget", smallest, "--steps", "1", "--threads", "1", "--out", model.NewPlace());
        Assert.True(enough.Code == 0, enough.Error);
        Assert.StartsWith("memory: ", enough.Output);
    }

    [Fact]
    public void Wrong_budgets_are_wrong_usage()
    {
        foreach (string text in (string[])["lots", "-1G", "8T", "0"])
        {
            Captured run = Captured.Ilgd("generate", "--model", model.Folder, "--prompt", "a face", "--memory-budget", text);
            Assert.Equal(2, run.Code);
            Assert.Contains("--memory-budget", run.OneLine());
        }
    }

    // Latents of 80 × 80 are too many positions for both pairs at once, so each goes through alone.
    [Fact]
    public void Pairs_one_after_another_give_the_loss_of_all_at_once()
    {
        Shape shape = [80, 80, 4];
        Assert.Equal(1, MemorySettings.PairsAtOnce(80 * 80));
        using Device device = Device.Open("cpu", 1);
        using DiffusionModel loaded = ModelFolder.Load(model.Folder, device);
        using Arena arena = new(device);
        float[] latent = [.. Enumerable.Range(0, (int)shape.Count).Select(i => MathF.Sin(i))];
        double expected = Reference(loaded, arena, latent, shape, new NoiseSchedule(loaded.Scheduler));
        using Finetuning apart = new(loaded, Method.Lora with { Pairs = 2, Steps = 1 }, new Subject(), latent, [], shape, 3, arena);
        double loss = Assert.Single(apart.Run());

        // A mean over 51,200 numbers in float32 against the mean of two means.
        Assert.InRange(loss, (1 - 1e-5) * expected, (1 + 1e-5) * expected);
        Assert.Contains(apart.Adapter!.Weights.Values.ToArray(), v => v != 0);
    }

    // Both pairs of the first step as one batch.
    static double Reference(DiffusionModel model, Arena arena, float[] latent, Shape shape, NoiseSchedule schedule)
    {
        const int pairs = 2;
        float[] x0 = [.. Enumerable.Repeat(latent, pairs).SelectMany(x => x)], noise = new float[x0.Length];
        new RngStream(3, 11, 0).FillNormal(noise);
        int[] timesteps = Timesteps.Stratified(new RngStream(3, 12, 0), pairs, schedule.Count);
        int[] ids = model.Tokenizer.EncodePadded(new Subject().InstancePrompt, model.TextEncoder.Config.MaxPositionEmbeddings);
        Tape tape = new(arena, recording: false);
        Tensor text = model.TextEncoder.Forward(tape, [.. Enumerable.Repeat(ids, pairs).SelectMany(x => x)], pairs);
        double loss = DenoisingLoss.Forward(tape, model.UNet, schedule, new NoisyBatch(x0, noise, timesteps, [pairs, shape[0], shape[1], shape[2]]), text).Item();
        arena.Reset();
        return loss;
    }

    static void Agrees(MemoryPlan plan, string phase, Device device, Action work)
    {
        device.ResetPeak();
        work();
        IReadOnlyDictionary<string, long> owners = plan.Phases.Single(p => p.Phase == phase).Owners;
        string[] onHost = [MemoryPlan.Program, "pictures", "latents", "layers without adapters"];
        long expected = owners.Where(o => !onHost.Contains(o.Key)).Sum(o => o.Value);
        Assert.InRange((double)device.PeakBytes, (1 - Tolerance) * expected, (1 + Tolerance) * expected);
        foreach ((string owner, long bytes) in owners.Where(o => !onHost.Contains(o.Key)))
            Assert.InRange((double)device.AtPeak.GetValueOrDefault(owner), (1 - Tolerance) * bytes, (1 + Tolerance) * bytes);
    }

    // By owner, of one level of 320 channels on latents of 16 × 16, forward and backward, with the optimiser.
    static Dictionary<string, long> Held(Device device, bool checkpoint)
    {
        using UNet unet = new(new UNetConfig
        {
            SampleSize = 16,
            BlockOutChannels = [320],
            LayersPerBlock = 1,
            DownBlockTypes = ["CrossAttnDownBlock2D"],
            UpBlockTypes = ["CrossAttnUpBlock2D"],
            CrossAttentionDim = 768,
        });
        unet.Weights.Allocate(device, "unet");
        if (!device.Plans)
            unet.Weights.Initialize(1);
        using AdamW optimizer = new(unet.Weights, new AdamWSettings());
        using Arena arena = new(device, 1 << 20);
        TrainLoop loop = new(arena, [new Trainee("unet", optimizer)], _ => 1, 1, checkpoint);
        for (int step = 0; step < 2; step++)
        {
            loop.Step(step, tape => Ops.Mse.Forward(
                tape, unet.Forward(tape, tape.Zeros([1, 16, 16, 4]), [500], tape.Zeros([1, 77, 768])), tape.From([.. Enumerable.Repeat(1f, 1024)], [1, 16, 16, 4])));
        }

        return new Dictionary<string, long>(device.AtPeak) { ["buffers"] = device.SystemAllocations };
    }

    PersonalizationRun Settings(Method method) => new()
    {
        Photo = model.Photo,
        Model = model.Folder,
        Method = method,
        Prompts = ["a [V] face", "a [V] face in snow"],
        Sampling = new Sampling { Steps = 2 },
        Threads = 1,
        Out = model.NewPlace(),
    };
}
