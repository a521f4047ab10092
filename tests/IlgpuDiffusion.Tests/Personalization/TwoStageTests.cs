using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Personalization;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Training.HyperNetworks;

namespace IlgpuDiffusion.Tests.Personalization;

/// A prediction, and finetuning beside it or of it.
public sealed class TwoStageTests(HyperWorkshop workshop, Devices devices) : DeviceTest(devices), IClassFixture<HyperWorkshop>
{
    static readonly string[] Prompts = ["a [V] face", "a [V] face in snow"];

    /// A hypernetwork whose outputs are not as small as those of an untrained one: a prediction should be seen.
    string Hypernetwork()
    {
        string folder = Path.Combine(workshop.Model.Root, "hypernetwork");
        if (Directory.Exists(folder))
            return folder;
        using DiffusionModel model = workshop.Load(Device("cpu"));
        using PersonPredictor predictor = NewPredictor(model);
        predictor.Save(folder, LidbFile.BaseHash(model));
        return folder;
    }

    PersonPredictor NewPredictor(DiffusionModel model)
    {
        PersonPredictor predictor = PersonPredictor.Create(model, EncoderFolder.LoadImage(workshop.Encoder, model.Device), HyperWorkshop.Small, new RandomOrthonormal(1));
        predictor.Hyper.Initialize(3);
        foreach (IlgpuDiffusion.Nn.Parameter p in predictor.Hyper.Mean.Parameters)
            p.Value.CopyFrom(RandomBasis.Gaussian(9, p.Name, (int)p.Shape.Count, 0.5f));
        return predictor;
    }

    /// Settings of `evaluate`: what is trained lies on the layers, and between the directions, that they say.
    [Theory]
    [InlineData("lora", LayerSet.Attention, LidbBasis.Random)]
    [InlineData("lora", LayerSet.CrossAttention, LidbBasis.Random)]
    [InlineData("lidb", LayerSet.UNet, LidbBasis.Random)]
    [InlineData("lidb", LayerSet.Geglu, LidbBasis.Singular)]
    public void Layers_and_basis_are_those_of_the_method(string name, LayerSet layers, LidbBasis basis)
    {
        using DiffusionModel model = workshop.Load(Device("cpu"));
        Method method = Method.ByName(name) with { Layers = layers, Basis = basis, A = 4, B = 3 };
        IReadOnlyList<AdapterTarget> expected = AdapterTarget.Of(model.UNet.Weights, model.TextEncoder.Weights, layers);
        using Finetuning finetuning = Tuning(model, method, null);
        Assert.Equal(expected.Select(t => t.Path), finetuning.Adapter!.Targets.Select(t => t.Path));
        if (method.Trains != Trains.Lidb)
            return;
        IBasis own = basis == LidbBasis.Singular ? new SingularVectors() : new RandomOrthonormal(Finetuning.LidbSeed);
        foreach ((AdapterTarget target, Lidb lidb) in expected.Zip(finetuning.Adapter.Adapters.Cast<Lidb>()))
        {
            (float[] a, float[] b) = own.For(target, 4, 3);
            Assert.Equal(a, lidb.AAux.Value.ToArray());
            Assert.Equal(b, lidb.BAux.Value.ToArray());
        }
    }

    [Theory]
    [InlineData("hyperdreambooth")]
    [InlineData("hyper-trained")]
    [InlineData("only-hyper")]
    public void Before_the_first_step_the_update_is_the_prediction(string method)
    {
        using DiffusionModel model = workshop.Load(Device("cpu"));
        PredictedUpdate update = Update(model);
        using Finetuning finetuning = Tuning(model, Method.ByName(method), update);
        IReadOnlyList<AdapterModule> modules = AdapterFile.ModulesOf(finetuning.Adapter!, Arena("cpu"));
        for (int i = 0; i < modules.Count; i++)
        {
            (float[] down, float[] up) = update.Factors[i];
            float[] expected = new AdapterModule("", "", 1, null, 1, down, up).Delta(), actual = modules[i].Delta();
            float largest = expected.Max(MathF.Abs);
            Assert.True(largest > 1e-4f, $"{modules[i].Path}: nothing was predicted");
            // The trained form divides by the length and multiplies by it again: two roundings.
            Assert.All(expected.Zip(actual), p => Assert.Equal(p.First, p.Second, 1e-6f * largest));
        }
    }

    [Fact]
    public void The_plan_holds_what_a_prediction_takes()
    {
        PersonalizationRun run = new()
        {
            Photo = workshop.Model.Photo,
            Model = workshop.Model.Folder,
            Hypernetwork = Hypernetwork(),
            Method = Method.HyperDreamBooth with { Steps = 1, Pairs = 1 },
            Prompts = ["a [V] face"],
            Threads = 1,
            Out = workshop.Model.NewPlace(),
        };
        MemoryPhase planned = PersonalizationPlan.Of(run).Phases.Single(p => p.Phase == "prediction");
        using Device device = IlgpuDiffusion.Tensors.Device.Open("cpu", 1);
        using DiffusionModel model = workshop.Load(device);
        using Arena arena = new(device);
        Photo.Encode(model, arena, new RgbImage(16, 16));
        device.ResetPeak();
        using PersonPredictor predictor = PersonPredictor.Load(run.Hypernetwork!, model);
        predictor.Update(arena, new RgbImage(16, 16));
        // The same code without its kernels.
        Assert.Equal(device.AtPeak.Sum(o => o.Value), planned.Bytes - MemoryPlan.ProgramBytes);
        Assert.Contains(planned.Owners, o => o.Key.Contains("hypernetwork", StringComparison.Ordinal) && o.Value > 0);
    }

    [Theory]
    [InlineData("hyperdreambooth", true)]
    [InlineData("hyper-trained", false)]
    public void The_paper_leaves_the_prediction_and_the_other_form_moves_it(string method, bool stays)
    {
        using DiffusionModel model = workshop.Load(Device("cpu"));
        string before = LidbFile.BaseHash(model);
        PredictedUpdate update = Update(model);
        using Finetuning finetuning = Tuning(model, Method.ByName(method) with { Steps = 3, Pairs = 2 }, update);
        Assert.Equal(3, finetuning.Run().Count);
        AdapterModule first = AdapterFile.ModulesOf(finetuning.Adapter!, Arena("cpu"))[0];
        float[] predicted = update.Factors[0].Down, row = first.Down[..predicted.Length];
        if (stays)
            Assert.Equal(predicted, row);
        else
            Assert.NotEqual(predicted.Select(v => v / Norm(predicted)), row);
        Assert.Equal(stays ? 1 + 12 : 12, first.Rank);
        Assert.Contains(first.Up.Where((_, i) => i % first.Rank != 0), v => v != 0);
        Assert.Equal(before, LidbFile.BaseHash(model));
    }

    public static TheoryData<string> Methods => [.. Method.All.Select(m => m.Name)];

    [Theory]
    [MemberData(nameof(Methods))]
    public void Every_method_draws_and_its_files_give_the_picture_again(string name)
    {
        Method method = Method.ByName(name);
        PersonalizationRun run = Run(method with { Steps = Math.Min(method.Steps, 2), Pairs = 2, PriorPictures = 2 });
        RunRecord record = new Personalizer(run).Run();
        Assert.Equal(Math.Min(method.Steps, 2), record.Loss.Count);
        Assert.NotEqual(record.PhotoLossBefore, record.PhotoLossAfter);
        Assert.True(record.Sizes.Saved > 0 && record.Sizes.Full > record.Sizes.LoraRank1 && record.Sizes.LoraRank1 > record.Sizes.Lidb);
        string written = Path.Combine(run.Out, method.Trains == Trains.TextualInversion ? "learned_embeds.safetensors" : "adapter.safetensors");
        Assert.Equal(method.Trains != Trains.Everything, File.Exists(written));
        Assert.Equal(method.Prediction != PredictionUse.None, File.Exists(Path.Combine(run.Out, "prediction.safetensors")));
        if (!File.Exists(written))
            return;
        GenerationRun again = new()
        {
            Model = run.Model,
            Prompts = [method.Trains == Trains.TextualInversion ? "a <sks> face" : Prompts[0]],
            Adapters = [new AdapterUse(written, 1)],
            Seed = run.Seed,
            Sampling = run.Sampling,
            Threads = 1,
            Out = workshop.Model.NewPlace(),
        };
        RgbImage drawn = ImageFile.Load(Assert.Single(new Generator(again).Run().Files)), expected = ImageFile.Load(Path.Combine(run.Out, "images/01-a-v-face.png"));
        // Folded into the weights the product is rounded once more than beside them.
        Assert.True(drawn.Pixels.Zip(expected.Pixels, (x, y) => Math.Abs(x - y)).Max() <= 2);
    }

    [Fact]
    public void One_refinement_predicts_otherwise_than_two()
    {
        using DiffusionModel model = workshop.Load(Device("cpu"));
        using PersonPredictor predictor = NewPredictor(model);
        RgbImage photo = ImageFile.Load(workshop.Model.Photo);
        Assert.NotEqual(predictor.Update(Arena("cpu"), photo).Theta, predictor.Update(Arena("cpu"), photo, Method.K1.Refinements).Theta);
    }

    [Fact]
    public void A_method_that_needs_a_hypernetwork_says_so_in_one_line()
    {
        PersonalizationRun run = Run(Method.OnlyHyper) with { Hypernetwork = null };
        Assert.Contains("--hypernetwork", Assert.Throws<IlgdException>(new Personalizer(run).Run).Message);
        Assert.False(Directory.Exists(run.Out));
        Assert.Equal(Method.HyperDreamBooth, Method.Default(hypernetwork: true));
        Assert.Equal(PredictionUse.None, Method.Default(hypernetwork: false).Prediction);
    }

    [Fact]
    public void What_cannot_be_trained_or_read_is_refused_in_one_line()
    {
        Assert.Contains("--steps", Assert.Throws<IlgdException>(new Personalizer(Run(Method.OnlyHyper with { Steps = 3 })).Run).Message);
        Assert.Contains("--rank 15", Assert.Throws<IlgdException>(new Personalizer(Run(Method.HyperDreamBooth with { Rank = 16 })).Run).Message);
        Assert.Contains("--save-model", Assert.Throws<IlgdException>(new Personalizer(Run(Method.TextualInversion) with { SaveModel = true }).Run).Message);
        PersonalizationRun run = Run(Method.OnlyHyper);
        new Personalizer(run).Run();
        using DiffusionModel model = workshop.Load(Device("cpu"));
        Assert.Contains("adapter.safetensors", Assert.Throws<IlgdException>(() => AdapterFile.Load(Path.Combine(run.Out, "prediction.safetensors"), model)).Message);
    }

    [Fact]
    public void Both_stages_give_the_same_bits_on_one_and_two_threads()
    {
        PersonalizationRun one = Run(Method.HyperDreamBooth with { Steps = 2, Pairs = 4 }), two = one with { Threads = 2, Out = workshop.Model.NewPlace() };
        new Personalizer(one).Run();
        new Personalizer(two).Run();
        foreach (string file in (string[])["adapter.safetensors", "prediction.safetensors", "grid.png"])
            Assert.Equal(File.ReadAllBytes(Path.Combine(one.Out, file)), File.ReadAllBytes(Path.Combine(two.Out, file)));
    }

    PredictedUpdate Update(DiffusionModel model)
    {
        using PersonPredictor predictor = NewPredictor(model);
        return predictor.Update(Arena("cpu"), ImageFile.Load(workshop.Model.Photo));
    }

    Finetuning Tuning(DiffusionModel model, Method method, PredictedUpdate? update)
    {
        (float[] latent, Shape shape) = Photo.Encode(model, Arena("cpu"), Photo.Fit(ImageFile.Load(workshop.Model.Photo), 16));
        return new Finetuning(model, method, new Subject(), latent, [], shape, 1, Arena("cpu"), update);
    }

    PersonalizationRun Run(Method method) => new()
    {
        Photo = workshop.Model.Photo,
        Model = workshop.Model.Folder,
        Hypernetwork = Hypernetwork(),
        Method = method,
        Prompts = Prompts,
        Sampling = new Sampling { Steps = 3 },
        Seed = 5,
        Threads = 1,
        Out = workshop.Model.NewPlace(),
    };

    static float Norm(float[] values) => MathF.Sqrt(values.Sum(v => v * v));
}
