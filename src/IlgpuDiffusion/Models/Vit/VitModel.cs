using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// The vision transformer (Dosovitskiy et al. 2021) as transformers publishes it, DINO's included: patches by a convolution, a class token, learned positions,
/// pre-norm layers, final norm. Pictures have the config's size: positions are not resized.
public sealed class VitModel : IImageEncoder
{
    readonly Parameter classToken;
    readonly Parameter positions;
    readonly Conv2d projection;
    readonly VitLayer[] layers;
    readonly LayerNorm layerNorm;

    /// Declares the parameters; call Weights.Allocate before use.
    public VitModel(VitConfig config)
    {
        config.Check("vit");
        Config = config;
        WeightScope w = Weights.Root, embeddings = w.Scope("embeddings"), encoder = w.Scope("encoder").Scope("layer");
        classToken = embeddings.Get("cls_token", [1, 1, config.HiddenSize], Init.Embedding);
        positions = embeddings.Get("position_embeddings", [1, config.Patches + 1, config.HiddenSize], Init.Embedding);
        projection = new Conv2d(embeddings.Scope("patch_embeddings.projection"), 3, config.HiddenSize, config.PatchSize, config.PatchSize, Ops.Padding.Same(0));
        layers = [.. Enumerable.Range(0, config.NumHiddenLayers).Select(i => new VitLayer(encoder.Scope(i), config))];
        layerNorm = new LayerNorm(w.Scope("layernorm"), config.HiddenSize, config.LayerNormEps);
    }

    public VitConfig Config { get; }

    public Weights Weights { get; } = new();

    public int ImageSize => Config.ImageSize;

    public IReadOnlyList<TokenGroup> Groups => [new(Config.Patches, Config.HiddenSize), new(1, Config.HiddenSize)];

    /// images: (B, S, S, 3)   returns (B, 1 + patches, D), the class token first
    public Tensor Forward(Tape tape, Tensor images)
    {
        if (images.Shape.Rank != 4 || images.Shape[1] != ImageSize || images.Shape[2] != ImageSize)
            throw new IlgdException($"vit: pictures {images.Shape} should be (B, {ImageSize}, {ImageSize}, 3)");
        int batch = images.Shape[0], features = Config.HiddenSize;
        Tensor patches = Ops.Reshape.Forward(tape, projection.Forward(tape, images), [batch, Config.Patches, features]);
        Tensor first = Ops.TokenEmbedding.Forward(tape, new int[batch], [batch, 1], Ops.Reshape.Forward(tape, classToken, [1, features]));
        Tensor x = Ops.Concat.Forward(tape, first, patches, axis: 1);
        x = Ops.AddRows.Forward(tape, x, Ops.Reshape.Forward(tape, positions, [Config.Patches + 1, features]));
        foreach (VitLayer layer in layers)
            x = layer.Forward(tape, x);
        return layerNorm.Forward(tape, x);
    }

    /// The class token of <see cref="Forward"/>, (B, D).
    public Tensor Embed(Tape tape, Tensor images)
    {
        Tensor x = Forward(tape, images);
        return Ops.Reshape.Forward(tape, Ops.Slice.Forward(tape, x, 1, 0, 1), [x.Shape[0], x.Shape[2]]);
    }

    public IReadOnlyList<Tensor> Tokens(Tape tape, Tensor images)
    {
        Tensor x = Forward(tape, images);
        return [Ops.Slice.Forward(tape, x, 1, 1, Config.Patches), Ops.Slice.Forward(tape, x, 1, 0, 1)];
    }

    public void Dispose() => Weights.Dispose();
}
