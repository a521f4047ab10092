using System.Text.Json;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diffusion;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.Models;

/// CLIP ViT-B/32 and FaceNet at full size with formula weights, against transformers and facenet-pytorch. Tolerances: clip_vision, clip_text_proj and facenet of
/// fixtures/README.md.
[Trait("Category", "Fixtures")]
public class VisionTests(Devices devices) : DeviceTest(devices), IDisposable
{
    const double ClipTolerance = 1e-5, FaceTolerance = 5e-6, CosineTolerance = 5e-6;

    static readonly double FaceGain = Math.Sqrt(2.0);

    readonly string folder = Directory.CreateTempSubdirectory("ilgd").FullName;

    static ClipTextConfig TextConfig { get; } = new() { EosTokenId = 49407 };

    public new void Dispose()
    {
        Directory.Delete(folder, recursive: true);
        base.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public void Parameters_are_the_published_ones_in_their_order()
    {
        using ClipVisionModel vision = new(new ClipVisionConfig());
        using ClipTextModel text = new(TextConfig, projected: true);
        using InceptionResnetV1 face = new();
        Check(vision.Weights, "clip_vit_b32_vision.manifest.txt");
        Check(text.Weights, "clip_vit_b32_text.manifest.txt");
        Check(face.Weights, "facenet_inception_resnet_v1.manifest.txt");

        static void Check(Weights weights, string manifest) => Assert.Equal(
            File.ReadAllLines(Shared.Require("fixtures", "vision", manifest)).Where(line => line.Length > 0),
            weights.Parameters.Select(p => $"{p.Name} {string.Join(",", p.Published.Dims.ToArray())}"));
    }

    [Fact]
    public void Clip_embeds_pictures_and_texts_as_transformers_does()
    {
        using FixtureFile file = FixtureFile.Open("vision", "encoders.safetensors");
        Arena arena = Arena("cpu");
        using ClipVisionModel vision = new(new ClipVisionConfig());
        using ClipTextModel text = new(TextConfig, projected: true);
        Fill(vision.Weights, arena.Device, 1);
        Fill(text.Weights, arena.Device, 1);
        Dictionary<string, float[]> seen = [];
        vision.Weights.Trace = (module, y) => seen[module] = y.ToArray();

        Tape tape = new(arena, recording: false);
        (float[] mean, float[] deviation) = ClipVisionModel.Normalisation;
        byte[] bytes = file.Bytes("image224", "u8");
        float[] pixels = [.. bytes.Select((b, i) => ((b / 255f) - mean[i % 3]) / deviation[i % 3])];
        Tensor image = tape.From(pixels, [1, 224, 224, 3]);
        float[] picture = vision.Embed(tape, image).ToArray();
        Tol.Close(picture, file.Floats("clip_vit_b32_image", "image_embeds"), ClipTolerance, "image_embeds");
        float[] head = file.Floats("clip_vit_b32_image", "hidden_head"), penultimate = file.Floats("clip_vit_b32_image", "penultimate_head");
        Tol.Close(seen["vision_model.encoder.layers.11"].AsSpan(0, head.Length), head, ClipTolerance, "hidden_head");
        Tol.Close(seen["vision_model.encoder.layers.10"].AsSpan(0, penultimate.Length), penultimate, ClipTolerance, "penultimate_head");

        float[] texts = text.Embed(tape, file.Ids("clip_vit_b32_text"), 2).ToArray();
        Tol.Close(texts, file.Floats("clip_vit_b32_text", "text_embeds"), ClipTolerance, "text_embeds");
        float[] cosines = [.. texts.Chunk(picture.Length).Select(t => (float)Cosine(picture, t))];
        Tol.Close(cosines, file.Floats("clip_similarity", "cos"), CosineTolerance, "cos");
        arena.Reset();
    }

    [Fact]
    public void FaceNet_embeds_a_face_as_facenet_pytorch_does()
    {
        using FixtureFile file = FixtureFile.Open("vision", "encoders.safetensors");
        Arena arena = Arena("cpu");
        using InceptionResnetV1 face = new();
        Fill(face.Weights, arena.Device, FaceGain);
        Dictionary<string, Tensor> seen = [];
        face.Weights.Trace = (module, y) => seen[module] = y;
        Tape tape = new(arena, recording: false);
        float[] pixels = Array.ConvertAll(file.Bytes("image160", "u8"), b => (b - 127.5f) / 128);
        float[] embedding = face.Embed(tape, tape.From(pixels, [1, 160, 160, 3])).ToArray();

        string[] modules = [.. file.Attributes("facenet").GetProperty("modules").EnumerateArray().Select(m => m.GetString()!)];
        double[] stat = file.Doubles("facenet", "stat");
        float[] first = file.Floats("facenet", "first");
        int width = first.Length / modules.Length;
        for (int i = 0; i < modules.Length; i++)
        {
            Tensor y = seen[modules[i]];
            float[] actual = y.Shape.Rank == 4 ? ChannelOrder.ToFirst(y.ToArray(), y.Shape[0], y.Shape[3]) : y.ToArray();
            double[] row = FormulaStat.Of(modules[i], actual);
            double allowed = FaceTolerance * stat[(i * 4) + 2];
            for (int j = 0; j < Math.Min(width, actual.Length); j++)
                Assert.True(Math.Abs(actual[j] - first[(i * width) + j]) <= allowed, $"{modules[i]} at {j}: {actual[j]:G9}, expected {first[(i * width) + j]:G9}, allowed ±{allowed:E2}");
            for (int k = 0; k < 4; k++)
            {
                // A sum over n values carries √n of their rounding.
                double scaled = k == 2 ? allowed : allowed * Math.Sqrt(actual.Length);
                Assert.True(Math.Abs(row[k] - stat[(i * 4) + k]) <= scaled, $"{modules[i]} stat {k}: {row[k]:G9}, expected {stat[(i * 4) + k]:G9}, allowed ±{scaled:E2}");
            }
        }

        Tol.Close(seen["last_bn"].ToArray(), file.Floats("facenet", "last_bn"), FaceTolerance, "last_bn");
        Tol.Close(embedding, file.Floats("facenet", "embedding"), FaceTolerance, "embedding");
        arena.Reset();
    }

    [Fact]
    public void Both_halves_of_clip_load_from_one_file_and_the_face_encoder_without_its_classifier()
    {
        Device device = Device("cpu");
        ClipVisionConfig vision = new() { HiddenSize = 16, IntermediateSize = 24, NumHiddenLayers = 1, NumAttentionHeads = 2, ImageSize = 8, PatchSize = 4, ProjectionDim = 8 };
        ClipTextConfig text = new() { VocabSize = 10, HiddenSize = 12, IntermediateSize = 24, NumHiddenLayers = 1, NumAttentionHeads = 2, ProjectionDim = 8 };
        using ClipVisionModel pictures = new(vision);
        using ClipTextModel words = new(text, projected: true);
        SafetensorsWriter both = new();
        foreach (Parameter p in pictures.Weights.Parameters.Concat(words.Weights.Parameters))
            both.Add(p.Name, p.Published.Dims.ToArray(), FormulaWeights.Make(p.Name, p.Published.Dims.ToArray()));
        both.Add("logit_scale", [], new float[1]);
        both.Add("vision_model.embeddings.position_ids", [1, 5], new long[5]);
        both.Write(Path.Combine(folder, "model.safetensors"));

        File.WriteAllText(Path.Combine(folder, "config.json"), """{ "model_type": "clip_vision_model", "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 8, "patch_size": 4, "projection_dim": 8 }""");
        using ClipVisionModel loaded = ModelFolder.LoadClipVision(folder, device);
        Assert.Equal(FormulaWeights.Make("visual_projection.weight", [8, 16]), loaded.Weights["visual_projection.weight"].Value.ToArray());
        File.WriteAllText(Path.Combine(folder, "config.json"), """{ "vocab_size": 10, "hidden_size": 12, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "projection_dim": 8 }""");
        using ClipTextModel loadedText = ModelFolder.LoadClipText(folder, device);
        Assert.Equal(FormulaWeights.Make("text_projection.weight", [8, 12]), loadedText.Weights["text_projection.weight"].Value.ToArray());

        using InceptionResnetV1 face = new();
        SafetensorsWriter faces = new();
        foreach (Parameter p in face.Weights.Parameters)
            faces.Add(p.Name, p.Published.Dims.ToArray(), () => FormulaWeights.Make(p.Name, p.Published.Dims.ToArray()));
        faces.Add("conv2d_1a.bn.num_batches_tracked", [], new long[1]);
        faces.Add("logits.weight", [1, 512], new float[512]);
        faces.Write(Path.Combine(folder, "model.safetensors"));
        using InceptionResnetV1 loadedFace = ModelFolder.LoadFace(folder, device);
        Assert.Equal(FormulaWeights.Make("last_bn.running_var", [512]), loadedFace.Weights["last_bn.running_var"].Value.ToArray());
        Assert.Contains("no such folder", Assert.Throws<IlgdException>(() => ModelFolder.LoadFace(Path.Combine(folder, "nowhere"), device)).Message);
    }

    static double Cosine(float[] a, float[] b) =>
        a.Zip(b).Sum(p => (double)p.First * p.Second) / Math.Sqrt(a.Sum(v => (double)v * v) * b.Sum(v => (double)v * v));

    static void Fill(Weights weights, Device device, double gain)
    {
        weights.Allocate(device, "formula weights");
        foreach (Parameter p in weights.Parameters)
            p.Value.CopyFrom(p.ToHeld(FormulaWeights.Make(p.Name, p.Published.Dims.ToArray(), gain: gain)));
    }
}
