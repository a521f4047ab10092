using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// What a <see cref="ConvEncoder"/> gives: the maps of its last two stages, (B, h, w, C), and the embedding, (B, D), of no particular length.
public readonly record struct ConvFeatures(Tensor Fine, Tensor Coarse, Tensor Embedding);

/// A small convolutional net from a picture to an embedding: stages of stride 2 with GroupNorm and SiLU, then one linear layer. The face recognition that
/// ships is one, and so is the picture's half of the CLIP-like pair.
public sealed class ConvEncoder : IImageEncoder
{
    readonly ConvStage[] stages;
    readonly Linear embedding;

    /// Declares the parameters; call Weights.Allocate before use.
    public ConvEncoder(ConvEncoderConfig config)
    {
        config.Check("conv encoder");
        Config = config;
        WeightScope w = Weights.Root.Scope("stages");
        stages = [.. config.Channels.Select((channels, i) => new ConvStage(w.Scope(i), i == 0 ? 3 : config.Channels[i - 1], channels, config, first: i == 0))];
        int pixels = config.Pooling == "flatten" ? config.LastSize * config.LastSize : 1;
        embedding = new Linear(Weights.Root.Scope("embedding"), pixels * config.Channels[^1], config.EmbeddingDim);
    }

    public ConvEncoderConfig Config { get; }

    public Weights Weights { get; } = new();

    public int ImageSize => Config.ImageSize;

    public IReadOnlyList<TokenGroup> Groups =>
    [
        new(4 * Config.LastSize * Config.LastSize, Config.Channels[^2]),
        new(Config.LastSize * Config.LastSize, Config.Channels[^1]),
        new(1, Config.EmbeddingDim),
    ];

    /// images: (B, S, S, 3) in [−1, 1]
    public ConvFeatures Forward(Tape tape, Tensor images)
    {
        if (images.Shape.Rank != 4 || images.Shape[1] != ImageSize || images.Shape[2] != ImageSize || images.Shape[3] != 3)
            throw new IlgdException($"conv encoder: pictures {images.Shape} should be (B, {ImageSize}, {ImageSize}, 3)");
        Tensor x = images, fine = images;
        foreach (ConvStage stage in stages)
        {
            fine = x;
            x = stage.Forward(tape, x);
        }

        Tensor pooled = Config.Pooling == "flatten"
            ? Ops.Reshape.Forward(tape, x, [x.Shape[0], x.Shape[1] * x.Shape[2] * x.Shape[3]])
            : Ops.GlobalAveragePool.Forward(tape, x);
        return new ConvFeatures(fine, x, embedding.Forward(tape, pooled));
    }

    public IReadOnlyList<Tensor> Tokens(Tape tape, Tensor images)
    {
        ConvFeatures f = Forward(tape, images);
        return [Flat(f.Fine), Flat(f.Coarse), Ops.Reshape.Forward(tape, f.Embedding, [f.Embedding.Shape[0], 1, f.Embedding.Shape[1]])];

        Tensor Flat(Tensor map) => Ops.Reshape.Forward(tape, map, [map.Shape[0], map.Shape[1] * map.Shape[2], map.Shape[3]]);
    }

    public void Dispose() => Weights.Dispose();
}
