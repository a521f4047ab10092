using System.Text.Json.Nodes;
using IlgpuDiffusion.Data.World;
using IlgpuDiffusion.Evaluation;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Cli;
using IlgpuDiffusion.Tests.Personalization;
using Photo = IlgpuDiffusion.Personalization.Photo;

namespace IlgpuDiffusion.Tests.Evaluation;

/// `ilgd evaluate` from people to table with the networks that others publish: facenet-pytorch's Inception-ResNet-V1 at full size, a ViT as DINO's, a whole CLIP, each in its
/// folder with formula weights.
public sealed class PublishedJudgesTests : IClassFixture<TinyModel>
{
    // A cosine in float32 of vectors in float32, embedded in batches of another size.
    const double Tolerance = 1e-5;
    const int People = 2;
    const string MethodName = "lora@steps=1@pairs=1";

    static readonly double FaceGain = Math.Sqrt(2.0);

    readonly TinyModel model;
    readonly string people;

    public PublishedJudgesTests(TinyModel model)
    {
        this.model = model;
        people = Path.Combine(model.Root, "people");
        for (int i = 0; i < People; i++)
        {
            float[] rgb = FaceRenderer.Render(FaceIdentity.Sample(FaceIdentity.FirstHeldOut + i), FaceNuisance.Plain, new FaceContext(), 48);
            ImageFile.SavePng(PhotoOf(i), new RgbImage(48, 48, Array.ConvertAll(rgb, v => (byte)(v * 255))));
        }
    }

    [Fact]
    public void Facenet_a_ViT_and_CLIP_judge_in_the_place_they_are_named_for()
    {
        (string face, string dino, string clip) = (Facenet(), Vit(), Clip());
        string prompts = Path.Combine(model.Root, "prompts.txt"), place = model.NewPlace();
        File.WriteAllText(prompts, "a [V] face smiling | expression: smiling\n");
        Captured run = Captured.Ilgd(
            "evaluate", "--people", people, "--methods", MethodName, "--model", model.Folder, "--samples", "0", "--sampling-steps", "1", "--threads", "1",
            "--prompts", prompts, "--face-encoder", face, "--dino", dino, "--clip", clip, "--json", "--out", place);
        Assert.True(run.Code == 0, run.Error);
        JsonNode table = JsonNode.Parse(run.Output)!;
        JsonNode row = table["rows"]!.AsArray().Single(r => (string)r!["method"]! == MethodName)!;

        using Device device = Device.Open("cpu", 1);
        using PictureEncoder faces = PictureEncoder.Load(face, device), alike = PictureEncoder.Load(dino, device);
        using ClipPair captions = ClipPair.Load(clip, device);
        RgbImage[] photos = [.. Enumerable.Range(0, People).Select(i => Photo.Fit(Photo.Face(PhotoOf(i), null), 16))], drawn = [.. Enumerable.Range(0, People).Select(i => Drawn(place, i))];
        Close(Cosine(faces.Embed(drawn), faces.Embed(photos)), Measure.FaceRec);
        Close(Cosine(alike.Embed(drawn), alike.Embed(photos)), Measure.Dino);
        Close(Cosine(captions.Embed(drawn), captions.Embed(photos)), Measure.ClipI);
        Close(Cosine(captions.Embed(drawn), [.. Enumerable.Repeat(captions.EmbedCaptions(["a face smiling"])[0], People)]), Measure.ClipT);
        float[][] expressions = captions.EmbedCaptions([.. Enum.GetValues<Expression>().Select(e => Captions.Of(new FaceContext(Expression: e)))]);
        Assert.Equal(drawn.Average(picture => Smiles(captions.Embed([picture])) ? 1.0 : 0), (double)row[Measure.PromptOk.Name]!["mean"]!);
        Assert.All((IEnumerable<(string Name, string Folder)>)[("face", face), ("dino", dino), ("clip", clip)], judge =>
            Assert.Equal(EncoderFolder.Hash(judge.Folder), (string)table["judges_sha256"]![judge.Name]!));

        // Whether of the four expressions the caption of this one is the nearest.
        bool Smiles(float[][] picture) => Enum.GetValues<Expression>().MaxBy(e => Cosine(picture, [expressions[(int)e]])) == Expression.Smiling;

        void Close(double expected, Measure measure)
        {
            // One that gives every picture the same vector would be close to anything.
            Assert.InRange(Math.Abs(expected), 0, 1 - 1e-5);
            Assert.Equal(expected, (double)row[measure.Name]!["mean"]!, Tolerance);
        }
    }

    string PhotoOf(int person) => Path.Combine(people, $"person{person}", "neutral.png");

    string Facenet()
    {
        string folder = Directory.CreateDirectory(Path.Combine(model.Root, "facenet")).FullName;
        using InceptionResnetV1 face = new();
        Formula(Path.Combine(folder, "model.safetensors"), FaceGain, face.Weights);
        return folder;
    }

    string Vit()
    {
        string folder = Directory.CreateDirectory(Path.Combine(model.Root, "vit")).FullName;
        VitConfig config = new() { HiddenSize = 24, NumHiddenLayers = 2, NumAttentionHeads = 3, IntermediateSize = 48, ImageSize = 32, PatchSize = 8 };
        using VitModel vit = new(config);
        Formula(Path.Combine(folder, "model.safetensors"), 1, vit.Weights);
        File.WriteAllText(Path.Combine(folder, "config.json"), """
            { "architectures": ["ViTModel"], "model_type": "vit", "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 48, "image_size": 32, "patch_size": 8 }
            """);
        File.WriteAllText(Path.Combine(folder, "preprocessor_config.json"), """
            { "size": 32, "resample": 3, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225] }
            """);
        return folder;
    }

    string Clip()
    {
        string folder = Directory.CreateDirectory(Path.Combine(model.Root, "clip")).FullName;
        WordVocabulary words = WordVocabulary.FaceMini;
        using ClipVisionModel vision = new(new ClipVisionConfig { HiddenSize = 16, IntermediateSize = 24, NumHiddenLayers = 1, NumAttentionHeads = 2, ImageSize = 32, PatchSize = 8, ProjectionDim = 12 });
        using ClipTextModel texts = new(
            new ClipTextConfig { VocabSize = words.Count, HiddenSize = 12, IntermediateSize = 24, NumHiddenLayers = 1, NumAttentionHeads = 2, ProjectionDim = 12, MaxPositionEmbeddings = 24 },
            projected: true);
        Formula(Path.Combine(folder, "model.safetensors"), 1, vision.Weights, texts.Weights);
        words.Save(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), $$"""
            { "model_type": "clip", "projection_dim": 12,
              "text_config": { "model_type": "clip_text_model", "vocab_size": {{words.Count}}, "hidden_size": 12, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2,
                "projection_dim": 12, "max_position_embeddings": 24, "bos_token_id": {{words.BeginId}}, "eos_token_id": {{words.EndId}}, "pad_token_id": {{words.EndId}} },
              "vision_config": { "model_type": "clip_vision_model", "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32, "patch_size": 8,
                "projection_dim": 12 } }
            """);
        File.WriteAllText(Path.Combine(folder, "preprocessor_config.json"), """
            { "size": 32, "crop_size": 32, "do_center_crop": true, "resample": 3, "image_mean": [0.48, 0.46, 0.41], "image_std": [0.27, 0.26, 0.28] }
            """);
        return folder;
    }

    static void Formula(string path, double gain, params Weights[] networks)
    {
        SafetensorsWriter writer = new();
        foreach (Parameter p in networks.SelectMany(w => w.Parameters))
            writer.Add(p.Name, p.Published.Dims.ToArray(), () => FormulaWeights.Make(p.Name, p.Published.Dims.ToArray(), gain: gain));
        writer.Write(path);
    }

    static RgbImage Drawn(string place, int person)
    {
        string file = Assert.Single(Directory.GetFiles(Path.Combine(place, "results", "people", $"person{person}"), "lora*"), f => Path.GetFileName(f).Split('.') is [.., "safetensors"] name && name.Length == 5);
        using SafetensorsReader reader = new(file);
        int[] shape = reader.Shape("pictures");
        Assert.Equal(1, shape[0]);
        return new RgbImage(shape[2], shape[1], reader.Bytes("pictures").ToArray());
    }

    static double Cosine(float[][] a, float[][] b) => a.Zip(b).Average(pair =>
        pair.First.Zip(pair.Second).Sum(v => (double)v.First * v.Second) / Math.Sqrt(pair.First.Sum(v => (double)v * v) * pair.Second.Sum(v => (double)v * v)));
}
