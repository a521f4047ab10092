using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Data.World;
using IlgpuDiffusion.Evaluation;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.Evaluation;

/// The networks that judge, from folders. What they compute is checked where they live (VisionTests, ImageEncoderTests); here, that they get what they expect.
public sealed class JudgesTests : DeviceTest, IDisposable
{
    readonly string folder = Directory.CreateTempSubdirectory("ilgd-judges-").FullName;
    readonly RgbImage picture = Picture(40);

    public JudgesTests(Devices devices)
        : base(devices)
    {
    }

    public new void Dispose()
    {
        Directory.Delete(folder, recursive: true);
        base.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public void A_network_of_ours_sees_pictures_of_its_size_from_minus_one_to_one()
    {
        using ConvEncoder conv = Saved("face", seed: 3);
        using PictureEncoder judge = PictureEncoder.Load(Path.Combine(folder, "face"), Device("cpu"));
        float[][] seen = judge.Embed([picture, Picture(16)]);

        Arena arena = Arena("cpu");
        byte[] small = IlgpuDiffusion.Data.Resample.Resize(picture, 16, 16, IlgpuDiffusion.Data.ResampleFilter.Box).Pixels;
        float[] expected = Embedded(arena, conv, [.. small.Concat(Picture(16).Pixels).Select(b => (b / 127.5f) - 1)]);
        // The same numbers but for the rounding of one scaling.
        Tol.Close([.. seen.SelectMany(v => v)], expected, 1e-5, "embedding");
    }

    [Fact]
    public void The_hash_follows_the_weights()
    {
        Saved("one", seed: 3).Dispose();
        Saved("same", seed: 3).Dispose();
        Saved("other", seed: 4).Dispose();
        string[] hashes = [.. new[] { "one", "same", "other" }.Select(name => EncoderFolder.Hash(Path.Combine(folder, name)))];
        Assert.Equal(hashes[0], hashes[1]);
        Assert.NotEqual(hashes[0], hashes[2]);
    }

    [Fact]
    public void Judges_beside_the_model_are_found_and_nobody_is_his_own_judge()
    {
        Device device = Device("cpu");
        using (Judges none = Judges.Load(null, null, null, folder, device))
            Assert.Empty(none.Named);
        Saved("evaluators/face", seed: 3).Dispose();
        using (Judges one = Judges.Load(null, null, null, folder, device))
            Assert.Equal(EncoderFolder.Hash(Path.Combine(folder, "evaluators/face")), one.Face!.Hash);
        Saved("evaluators/judge", seed: 4).Dispose();
        Saved("evaluators/dino", seed: 5).Dispose();
        using Judges both = Judges.Load(null, null, null, folder, device);
        Assert.Equal(EncoderFolder.Hash(Path.Combine(folder, "evaluators/judge")), both.Face!.Hash);
        Assert.Equal(["dino", "face"], both.Named.Keys.Order(StringComparer.Ordinal));
        Assert.Null(both.Clip);
    }

    [Fact]
    public void Our_pair_of_pictures_and_captions()
    {
        Saved("clip/pictures", seed: 3).Dispose();
        Device device = Device("cpu");
        WordVocabulary words = WordVocabulary.FaceMini;
        using ClipTextModel texts = new(SmallTexts(words));
        texts.Weights.Allocate(device, "texts");
        texts.Weights.Initialize(7);
        EncoderFolder.Save(Path.Combine(folder, "clip", "texts"), texts);
        words.Save(Path.Combine(folder, "clip", "tokenizer"));
        using ClipPair pair = ClipPair.Load(Path.Combine(folder, "clip"), device);

        int[] ids = words.Encode("a face smiling");
        Tape tape = new(Arena("cpu"), recording: false);
        float[] expected = texts.Pool(tape, texts.Forward(tape, ids, 1), ids).ToArray();
        Assert.Equal(expected, pair.EmbedCaptions(["a face smiling"])[0]);
        Assert.Equal(10, pair.Embed([picture])[0].Length);
    }

    // As openai/clip-vit-base-patch32 lies on the hub: one config with a part for each half, one file of weights, the tokenizer beside them.
    [Fact]
    public void A_whole_CLIP_folder()
    {
        Device device = Device("cpu");
        WordVocabulary words = WordVocabulary.FaceMini;
        ClipTextConfig textConfig = SmallTexts(words) with { ProjectionDim = 8 };
        using ClipVisionModel vision = new(new ClipVisionConfig { HiddenSize = 16, IntermediateSize = 24, NumHiddenLayers = 1, NumAttentionHeads = 2, ImageSize = 8, PatchSize = 4, ProjectionDim = 8 });
        using ClipTextModel texts = new(textConfig, projected: true);
        SafetensorsWriter weights = new();
        foreach (Weights half in (Weights[])[vision.Weights, texts.Weights])
        {
            half.Allocate(device, "clip");
            foreach (Parameter p in half.Parameters)
            {
                float[] values = FormulaWeights.Make(p.Name, p.Published.Dims.ToArray());
                p.Value.CopyFrom(p.ToHeld(values));
                weights.Add(p.Name, p.Published.Dims.ToArray(), values);
            }
        }

        weights.Write(Path.Combine(folder, "model.safetensors"));
        words.Save(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), $$"""
            { "model_type": "clip", "projection_dim": 8,
              "text_config": { "model_type": "clip_text_model", "vocab_size": {{words.Count}}, "hidden_size": 12, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2,
                "projection_dim": 8, "max_position_embeddings": 24, "bos_token_id": {{words.BeginId}}, "eos_token_id": {{words.EndId}}, "pad_token_id": {{words.EndId}} },
              "vision_config": { "model_type": "clip_vision_model", "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 8, "patch_size": 4, "projection_dim": 8 } }
            """);
        File.WriteAllText(Path.Combine(folder, "preprocessor_config.json"), """
            { "size": 8, "crop_size": 8, "do_center_crop": true, "resample": 3, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.25, 0.3] }
            """);
        using ClipPair pair = ClipPair.Load(folder, device);

        Tape tape = new(Arena("cpu"), recording: false);
        Assert.Equal(texts.Embed(tape, words.Encode("a face"), 1).ToArray(), pair.EmbedCaptions(["a face"])[0]);
        byte[] small = IlgpuDiffusion.Data.Resample.Resize(picture, 8, 8, IlgpuDiffusion.Data.ResampleFilter.Bicubic).Pixels;
        float[] mean = [0.5f, 0.4f, 0.3f], deviation = [0.2f, 0.25f, 0.3f];
        float[] pixels = [.. small.Select((b, i) => ((b / 255f) - mean[i % 3]) / deviation[i % 3])];
        Assert.Equal(vision.Embed(tape, tape.From(pixels, [1, 8, 8, 3])).ToArray(), pair.Embed([picture])[0]);
    }

    [Fact]
    public void FaceNets_numbers_are_those_of_facenet_pytorch()
    {
        float[] values = ImagePreprocessing.FaceNet.Apply(Picture(160));
        byte[] bytes = Picture(160).Pixels;
        for (int i = 0; i < values.Length; i++)
            Assert.Equal((bytes[i] - 127.5f) / 128, values[i], 1e-6f);
    }

    ConvEncoder Saved(string name, ulong seed)
    {
        ConvEncoder conv = new(new ConvEncoderConfig { ImageSize = 16, Channels = [8, 16], EmbeddingDim = 10 });
        conv.Weights.Allocate(Device("cpu"), "encoder");
        conv.Weights.Initialize(seed);
        EncoderFolder.Save(Path.Combine(folder, name), conv);
        return conv;
    }

    static float[] Embedded(Arena arena, ConvEncoder conv, float[] pixels)
    {
        Tape tape = new(arena, recording: false);
        return conv.Forward(tape, tape.From(pixels, [2, 16, 16, 3])).Embedding.ToArray();
    }

    static ClipTextConfig SmallTexts(WordVocabulary words) => new()
    {
        VocabSize = words.Count,
        HiddenSize = 12,
        IntermediateSize = 24,
        NumHiddenLayers = 1,
        NumAttentionHeads = 2,
        MaxPositionEmbeddings = Captions.MaxTokens,
        BosTokenId = words.BeginId,
        EosTokenId = words.EndId,
        PadTokenId = words.EndId,
    };

    static RgbImage Picture(int size) => new(size, size, [.. Enumerable.Range(0, 3 * size * size).Select(i => (byte)(i * 37 % 251))]);
}
