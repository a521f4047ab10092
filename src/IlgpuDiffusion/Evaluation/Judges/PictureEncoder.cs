using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Evaluation;

/// A network from a folder, with the preprocessing that belongs to it.
public sealed class PictureEncoder : IPictureEncoder
{
    const int Batch = 32;

    readonly ImagePreprocessing preprocessing;
    readonly Func<Tape, Tensor, Tensor> embed;
    readonly IDisposable network;
    readonly Arena arena;

    PictureEncoder(string folder, ImagePreprocessing preprocessing, Func<Tape, Tensor, Tensor> embed, IDisposable network, Device device)
    {
        this.preprocessing = preprocessing;
        this.embed = embed;
        this.network = network;
        arena = new Arena(device);
        Hash = EncoderFolder.Hash(folder);
    }

    public string Hash { get; }

    /// A folder with config.json: a network of `ilgd train evaluators` or a ViT of transformers, DINO's for one. Without config.json: facenet-pytorch's
    /// Inception-ResNet-V1. Errors: no such folder, a network that is neither, weights that do not fit.
    public static PictureEncoder Load(string folder, Device device)
    {
        if (!File.Exists(Path.Combine(folder, "config.json")))
        {
            InceptionResnetV1 face = ModelFolder.LoadFace(folder, device);
            return new PictureEncoder(folder, ImagePreprocessing.FaceNet, face.Embed, face, device);
        }

        IImageEncoder encoder = EncoderFolder.LoadImage(folder, device);
        return new PictureEncoder(folder, ImagePreprocessing.Load(folder, encoder.ImageSize), Embedding(encoder), encoder, device);
    }

    /// The picture half of CLIP, from a folder of its own or of the whole model.
    public static PictureEncoder LoadClip(string folder, Device device)
    {
        ClipVisionModel vision = ModelFolder.LoadClipVision(folder, device);
        return new PictureEncoder(folder, ImagePreprocessing.Load(folder, vision.Config.ImageSize), vision.Embed, vision, device);
    }

    static Func<Tape, Tensor, Tensor> Embedding(IImageEncoder encoder) => encoder switch
    {
        ConvEncoder conv => (tape, pictures) => conv.Forward(tape, pictures).Embedding,
        VitModel vit => vit.Embed,
        _ => throw new ArgumentException($"{encoder.GetType().Name} has no embedding"),
    };

    public float[][] Embed(IReadOnlyList<RgbImage> pictures)
    {
        List<float[]> all = [];
        foreach (RgbImage[] chunk in pictures.Chunk(Batch))
        {
            float[] values = [.. chunk.SelectMany(preprocessing.Apply)];
            Tape tape = new(arena, recording: false);
            float[] embedded = embed(tape, tape.From(values, [chunk.Length, preprocessing.Size, preprocessing.Size, 3])).ToArray();
            arena.Reset();
            all.AddRange(embedded.Chunk(embedded.Length / chunk.Length));
        }

        return [.. all];
    }

    public void Dispose()
    {
        arena.Dispose();
        network.Dispose();
    }
}
