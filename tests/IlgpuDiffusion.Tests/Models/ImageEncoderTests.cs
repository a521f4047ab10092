using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Autograd;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.Models;

/// The encoders of pictures. Tolerance: `vit` of fixtures/README.md.
public class ImageEncoderTests(Devices devices) : DeviceTest(devices)
{
    const double VitTolerance = 1e-5;

    static readonly VitConfig Dino = new() { HiddenSize = 384, NumHiddenLayers = 12, NumAttentionHeads = 6, IntermediateSize = 1536 };

    static readonly VitConfig SmallVit = new() { HiddenSize = 16, NumHiddenLayers = 2, NumAttentionHeads = 2, IntermediateSize = 32, ImageSize = 16, PatchSize = 8 };

    [Fact]
    [Trait("Category", "Fixtures")]
    public void Vit_declares_the_published_parameters_of_dino()
    {
        using VitModel vit = new(Dino);
        string[] published = [.. File.ReadAllLines(Shared.Require("fixtures", "vision", "dino_vits16.manifest.txt")).Where(line => line.Length > 0)];
        Assert.Equal(published, vit.Weights.Parameters.Select(p => $"{p.Name} {string.Join(",", p.Published.Dims.ToArray())}"));
    }

    [Fact]
    [Trait("Category", "Fixtures")]
    public void Vit_matches_transformers_at_the_size_of_dino()
    {
        using FixtureFile file = FixtureFile.Open("vision", "encoders.safetensors");
        Arena arena = Arena("cpu");
        using VitModel vit = new(Dino);
        vit.Weights.Allocate(arena.Device, "formula weights");
        foreach (Parameter p in vit.Weights.Parameters)
            p.Value.CopyFrom(p.ToHeld(FormulaWeights.Make(p.Name, p.Published.Dims.ToArray())));
        float[] mean = [0.485f, 0.456f, 0.406f], deviation = [0.229f, 0.224f, 0.225f];
        float[] picture = [.. file.Bytes("image224", "u8").Select((v, i) => ((v / 255f) - mean[i % 3]) / deviation[i % 3])];
        Tape tape = new(arena, recording: false);
        float[] y = vit.Forward(tape, tape.From(picture, [1, 224, 224, 3])).ToArray();
        Tol.Close(y.AsSpan(0, 384), file.Floats("dino_vits16", "cls"), VitTolerance, "cls");
        Tol.Close(y.AsSpan(0, 8 * 384), file.Floats("dino_vits16", "hidden_head"), VitTolerance, "hidden_head");
        arena.Reset();

        // Another shape: the positions' 14 × 14 become 10 × 12.
        float[] part = [.. Enumerable.Range(0, 160).SelectMany(row => picture[(row * 224 * 3)..(((row * 224) + 192) * 3)])];
        Tape again = new(arena, recording: false);
        Tol.Close(vit.Embed(again, again.From(part, [1, 160, 192, 3])).ToArray(), file.Floats("dino_vits16_160x192", "cls"), VitTolerance, "160x192 cls");
    }

    public static TheoryData<string, string> Kinds => new() { { "plain", "flatten" }, { "residual", "average" } };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_conv_encoder_gives_the_tokens_it_announces_and_the_same_on_both_devices(string block, string pooling)
    {
        ConvEncoderConfig config = new() { ImageSize = 16, Channels = [8, 16, 24], BlockType = block, Pooling = pooling, EmbeddingDim = 10 };
        float[][] tokens = [.. new[] { "cpu", "cpu-sim" }.Select(device => Tokens(new ConvEncoder(config), device))];
        // Sums over at most 9·24 products in another order.
        Tol.Close(tokens[1], tokens[0], 1e-5, "cpu-sim against cpu");
    }

    [Fact]
    public void A_vit_gives_the_tokens_it_announces_and_the_same_on_both_devices() =>
        Tol.Close(Tokens(new VitModel(SmallVit), "cpu-sim"), Tokens(new VitModel(SmallVit), "cpu"), 1e-5, "cpu-sim against cpu");

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Every_parameter_of_a_conv_encoder_gets_a_gradient(string block, string pooling)
    {
        ConvEncoderConfig config = new() { ImageSize = 16, Channels = [8, 16, 24], BlockType = block, Pooling = pooling };
        EveryParameterGetsAGradient(new ConvEncoder(config), (encoder, tape, x) => encoder.Forward(tape, x).Embedding);
    }

    [Fact]
    public void Every_parameter_of_a_vit_gets_a_gradient() => EveryParameterGetsAGradient(new VitModel(SmallVit), (vit, tape, x) => vit.Embed(tape, x), ["key.bias"]);

    [Fact]
    public void A_saved_encoder_is_loaded_as_it_was()
    {
        string folder = Directory.CreateTempSubdirectory("ilgd-encoder-").FullName;
        Device device = Device("cpu");
        using ConvEncoder conv = new(new ConvEncoderConfig { ImageSize = 16, Channels = [8, 16] });
        using VitModel vit = new(SmallVit);
        foreach (IImageEncoder encoder in (IImageEncoder[])[conv, vit])
        {
            encoder.Weights.Allocate(device, "encoder");
            encoder.Weights.Initialize(3);
        }

        EncoderFolder.Save(Path.Combine(folder, "conv"), conv);
        EncoderFolder.Save(Path.Combine(folder, "vit"), vit);
        using IImageEncoder conv2 = EncoderFolder.LoadImage(Path.Combine(folder, "conv"), device), vit2 = EncoderFolder.LoadImage(Path.Combine(folder, "vit"), device);
        Assert.Equal(conv.Weights.Values.ToArray(), Assert.IsType<ConvEncoder>(conv2).Weights.Values.ToArray());
        Assert.Equal(vit.Weights.Values.ToArray(), Assert.IsType<VitModel>(vit2).Weights.Values.ToArray());

        File.WriteAllText(Path.Combine(folder, "vit", "config.json"), "{\"model_type\":\"resnet\"}");
        Assert.Contains("resnet", Assert.Throws<IlgdException>(() => EncoderFolder.LoadImage(Path.Combine(folder, "vit"), device)).Message);
        Directory.Delete(folder, recursive: true);
    }

    float[] Tokens(IImageEncoder encoder, string device)
    {
        using (encoder)
        {
            Arena arena = Arena(device);
            encoder.Weights.Allocate(arena.Device, "encoder");
            encoder.Weights.Initialize(7);
            Tape tape = new(arena, recording: false);
            IReadOnlyList<Tensor> groups = encoder.Tokens(tape, Picture(tape, encoder));
            Assert.Equal(encoder.Groups.Select(g => $"[2, {g.Tokens}, {g.Features}]"), groups.Select(g => g.Shape.ToString()));
            return [.. groups.SelectMany(g => g.ToArray())];
        }
    }

    void EveryParameterGetsAGradient<T>(T encoder, Func<T, Tape, Tensor, Tensor> embed, string[]? unmoved = null)
        where T : IImageEncoder
    {
        using (encoder)
        {
            Arena arena = Arena("cpu");
            encoder.Weights.Allocate(arena.Device, "encoder");
            encoder.Weights.Initialize(7);
            encoder.Weights.RequireGrad(true);
            Tape tape = new(arena);
            Tensor y = embed(encoder, tape, Picture(tape, encoder));
            tape.Backward(Ops.Mean.Forward(tape, Ops.Multiply.Forward(tape, y, tape.From(GradCheck.Values((int)y.Count, 5), y.Shape))));
            foreach (Parameter p in encoder.Weights.Parameters.Where(p => unmoved is null || !unmoved.Any(p.Name.EndsWith)))
                Assert.True(p.Value.Grad!.ToArray().Any(g => g != 0), $"{p.Name} gets no gradient");
        }
    }

    static Tensor Picture(Tape tape, IImageEncoder encoder) =>
        tape.From(GradCheck.Values(2 * encoder.ImageSize * encoder.ImageSize * 3, 9), [2, encoder.ImageSize, encoder.ImageSize, 3]);
}
