using System.Text.Json;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Personalization;
using IlgpuDiffusion.Tests.Fixtures;
using RgbImage = IlgpuDiffusion.IO.RgbImage;

namespace IlgpuDiffusion.Tests.Personalization;

public sealed class PersonalizerTests(TinyModel model) : IClassFixture<TinyModel>
{
    static readonly string[] Prompts = ["a [V] face", "a pencil sketch of a [V] face"];

    [Theory]
    [InlineData("lora", 0)]
    [InlineData("lidb", 0)]
    [InlineData("dreambooth", 2)]
    public void Every_method_leaves_its_files_and_a_complete_record(string method, int prior)
    {
        PersonalizationRun run = Settings(Method.ByName(method) with { PriorPairs = prior, PriorPictures = 2 }) with { SaveModel = true };
        RunRecord record = new Personalizer(run).Run();

        string[] files = [.. Directory.EnumerateFiles(run.Out, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(run.Out, f))];
        string[] expected = ["report.html", "grid.png", "run.json", "images/01-a-v-face.png", "images/02-a-pencil-sketch-of-a-v-face.png", "model/model_index.json"];
        Assert.All(expected, name => Assert.Contains(name, files));
        Assert.Equal(method != "dreambooth", files.Contains("adapter.safetensors"));
        Assert.Equal(method == "lidb", files.Contains("lidb.safetensors"));
        Assert.False(Directory.Exists($"{run.Out}.partial-{Environment.ProcessId}"));

        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(Path.Combine(run.Out, "run.json")));
        JsonElement root = json.RootElement;
        Assert.Equal(method, root.GetProperty("settings").GetProperty("method").GetProperty("name").GetString());
        Assert.Equal(run.Method.Steps, root.GetProperty("loss").GetArrayLength());
        JsonElement memory = root.GetProperty("memory");
        Assert.Equal(["photo", "loss", "finetuning", "pictures", "decode"], memory.GetProperty("phases").EnumerateArray().Select(p => p.GetProperty("phase").GetString()!));
        Assert.True(memory.GetProperty("peak_bytes").GetInt64() > memory.GetProperty("phases")[0].GetProperty("owners").GetProperty("unet").GetInt64());
        Assert.True(root.GetProperty("peak_memory_bytes").GetInt64() > 1 << 20);
        Assert.True(root.GetProperty("seconds").GetProperty("finetuning").GetDouble() > 0);
        Assert.Equal(prior > 0, root.GetProperty("seconds").TryGetProperty("class pictures", out _));
        foreach (JsonProperty file in root.GetProperty("files").EnumerateObject())
            Assert.Equal(file.Value.GetInt64(), new FileInfo(Path.Combine(run.Out, file.Name)).Length);
        Assert.NotEqual(record.PhotoLossBefore, record.PhotoLossAfter);
    }

    [Fact]
    public void More_steps_bring_the_loss_on_the_photo_down()
    {
        RunRecord record = new Personalizer(Settings(Method.Lora, steps: 30)).Run();
        Assert.True(record.PhotoLossAfter < record.PhotoLossBefore, $"{record.PhotoLossBefore} before, {record.PhotoLossAfter} after");
    }

    [Fact]
    public void The_same_seed_gives_the_same_bits_on_one_and_two_threads()
    {
        PersonalizationRun one = Settings(Method.Lora) with { Threads = 1 }, two = one with { Threads = 2, Out = model.NewPlace() };
        new Personalizer(one).Run();
        new Personalizer(two).Run();
        foreach (string file in (string[])["adapter.safetensors", "grid.png", "images/01-a-v-face.png"])
            Assert.Equal(File.ReadAllBytes(Path.Combine(one.Out, file)), File.ReadAllBytes(Path.Combine(two.Out, file)));
    }

    // Forty iterations and eight pictures: the worst seen was 2.3e-7 of a loss and one of 255 (kernels/Conv/Winograd.md).
    [Theory]
    [InlineData(ConvAlgorithm.F2)]
    [InlineData(ConvAlgorithm.F4)]
    public void Neither_the_losses_nor_the_pictures_of_the_model_that_ships_tell_winograd_from_direct_convolution(ConvAlgorithm conv)
    {
        const double LossTolerance = 1e-5;
        const int PixelTolerance = 2;
        string shipped = Path.Combine(Shared.Repository() ?? throw new InvalidOperationException("the tests lie in no repository"), "weights-tools", "face-mini");
        PersonalizationRun direct = Settings(Method.Lora, steps: 8) with
        {
            Model = shipped,
            Photo = Path.Combine(shipped, "sample-face.png"),
            Conv = ConvAlgorithm.Direct,
            Sampling = new Sampling { Steps = 5 },
        };
        PersonalizationRun winograd = direct with { Conv = conv, Out = model.NewPlace() };
        RunRecord expected = new Personalizer(direct).Run(), found = new Personalizer(winograd).Run();
        Assert.True(expected.PhotoLossAfter < 0.9 * expected.PhotoLossBefore);
        Assert.All(expected.Loss.Zip(found.Loss), l => Assert.InRange(l.Second, l.First * (1 - LossTolerance), l.First * (1 + LossTolerance)));
        Assert.True(Worst(ImageFile.Load(Path.Combine(direct.Out, "grid.png")), ImageFile.Load(Path.Combine(winograd.Out, "grid.png"))) <= PixelTolerance);
    }

    // A prompt that says more than the class: the model as it was guides too.
    [Fact]
    public void Generate_with_the_written_adapter_draws_the_picture_of_the_run()
    {
        PersonalizationRun run = Settings(Method.Lora) with { Prompts = [Prompts[1]] };
        new Personalizer(run).Run();
        GenerationRun again = new()
        {
            Model = model.Folder,
            Prompts = [Prompts[1]],
            Adapters = [new AdapterUse(Path.Combine(run.Out, "adapter.safetensors"), 1)],
            Seed = run.Seed,
            Sampling = run.Sampling,
            Threads = 1,
            Out = model.NewPlace(),
        };
        RgbImage drawn = ImageFile.Load(Assert.Single(new Generator(again).Run().Files)), expected = ImageFile.Load(Path.Combine(run.Out, "images/01-a-pencil-sketch-of-a-v-face.png"));
        RgbImage without = ImageFile.Load(Assert.Single(new Generator(again with { Adapters = [], Out = model.NewPlace() }).Run().Files));

        // Folded into the weights the adapter's product is rounded once more than beside them, which moves a pixel by a level.
        Assert.True(Worst(drawn, expected) <= 2, $"off by {Worst(drawn, expected)} levels");
        Assert.True(Worst(without, expected) > 2);
        RgbImage own = ImageFile.Load(Assert.Single(new Generator(again with { Sampling = run.Sampling with { GuidanceFrom = GuidanceFrom.Own }, Out = model.NewPlace() }).Run().Files));
        Assert.True(Worst(own, expected) > 2);
    }

    [Fact]
    public void A_cancelled_run_leaves_nothing()
    {
        using CancellationTokenSource source = new();
        PersonalizationRun run = Settings(Method.Lora);
        Personalizer personalizer = new(
            run,
            progress =>
            {
                if (progress.Phase == "finetuning")
                    source.Cancel();
            },
            cancellation: source.Token);
        Assert.Throws<OperationCanceledException>(personalizer.Run);
        Assert.False(Directory.Exists(run.Out));
        Assert.Empty(Directory.GetDirectories(model.Root, $"{Path.GetFileName(run.Out)}*"));
    }

    [Fact]
    public void A_crop_that_leaves_the_photo_is_an_error_that_names_both()
    {
        IlgdException e = Assert.Throws<IlgdException>(() => Photo.Face(model.Photo, new CropBox(20, 20, 40)));
        Assert.Contains(model.Photo, e.Message);
        Assert.Contains("48 x 48", e.Message);
    }

    [Theory]
    [InlineData("a [V] face in snow", "a-v-face-in-snow")]
    [InlineData("  Ünï / ../..\\x ", "n-x")]
    [InlineData("???", "picture")]
    public void A_slug_is_a_safe_file_name(string prompt, string slug) => Assert.Equal(slug, IlgpuDiffusion.Personalization.Prompts.Slug(prompt));

    PersonalizationRun Settings(Method method, int steps = 2) => new()
    {
        Photo = model.Photo,
        Model = model.Folder,
        Method = method with { Steps = steps, Pairs = 4 },
        Prompts = Prompts,
        Sampling = new Sampling { Steps = 3 },
        Seed = 5,
        Threads = 1,
        Out = model.NewPlace(),
    };

    static int Worst(RgbImage a, RgbImage b) => a.Pixels.Zip(b.Pixels, (x, y) => Math.Abs(x - y)).Max();
}
