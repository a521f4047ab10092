using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Models;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tokenizer;

namespace IlgpuDiffusion.Evaluation;

/// Encoders of pictures and captions for one space: CLIP (Radford et al. 2021), or the pair that `ilgd train evaluators` makes.
public sealed class ClipPair : ICaptionEncoder
{
    const string PicturesName = "pictures", TextsName = "texts", TokenizerName = "tokenizer";

    readonly PictureEncoder vision;
    readonly ClipTextModel texts;
    readonly Func<Tape, int[], int, Tensor> embed;
    readonly ClipTokenizer tokenizer;
    readonly Arena arena;

    ClipPair(string folder, PictureEncoder vision, ClipTextModel texts, Func<Tape, int[], int, Tensor> embed, string tokenizerFolder, Device device)
    {
        this.vision = vision;
        this.texts = texts;
        this.embed = embed;
        tokenizer = new ClipTokenizer(tokenizerFolder);
        arena = new Arena(device);
        Hash = EncoderFolder.Hash(folder);
    }

    public string Hash { get; }

    /// Our own pair has folders pictures, texts and tokenizer; any other folder is a CLIP model of transformers with its tokenizer's files. Errors: as of the two networks.
    public static ClipPair Load(string folder, Device device)
    {
        string own = Path.Combine(folder, PicturesName), ownTexts = Path.Combine(folder, TextsName);
        bool ours = Directory.Exists(own);
        PictureEncoder vision = ours ? PictureEncoder.Load(own, device) : PictureEncoder.LoadClip(folder, device);
        try
        {
            ClipTextModel texts = ours ? EncoderFolder.LoadText(ownTexts, device) : ModelFolder.LoadClipText(folder, device);
            Tensor Pooled(Tape tape, int[] ids, int count) => texts.Pool(tape, texts.Forward(tape, ids, count), ids);
            Tensor Projected(Tape tape, int[] ids, int count) => texts.Embed(tape, ids, count);
            return new ClipPair(folder, vision, texts, ours ? Pooled : Projected, ours ? Path.Combine(folder, TokenizerName) : folder, device);
        }
        catch
        {
            vision.Dispose();
            throw;
        }
    }

    public float[][] Embed(IReadOnlyList<RgbImage> pictures) => vision.Embed(pictures);

    public float[][] EmbedCaptions(IReadOnlyList<string> captions)
    {
        int[] ids = [.. captions.SelectMany(caption => tokenizer.EncodePadded(caption, texts.Config.MaxPositionEmbeddings))];
        float[] embedded = embed(new Tape(arena, recording: false), ids, captions.Count).ToArray();
        arena.Reset();
        return [.. embedded.Chunk(embedded.Length / captions.Count)];
    }

    public void Dispose()
    {
        arena.Dispose();
        texts.Dispose();
        vision.Dispose();
    }
}
