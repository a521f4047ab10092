using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Data;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// The vision transformer (Dosovitskiy et al. 2021) as transformers publishes it, DINO's included: patches by a convolution, a class token, learned positions,
/// pre-norm layers, final norm. Pictures of another size than the config's get the learned positions resized, bicubic without antialias, as DINO has it; that has no gradient.
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

    /// images: (B, H, W, 3), multiples of the patch   returns (B, 1 + patches, D), the class token first
    public Tensor Forward(Tape tape, Tensor images)
    {
        if (images.Shape.Rank != 4 || images.Shape[3] != 3 || images.Count == 0 || images.Shape[1] % Config.PatchSize != 0 || images.Shape[2] % Config.PatchSize != 0)
            throw new IlgdException($"vit: pictures {images.Shape} should be (B, {ImageSize}, {ImageSize}, 3), or other multiples of {Config.PatchSize}");
        int batch = images.Shape[0], features = Config.HiddenSize, high = images.Shape[1] / Config.PatchSize, wide = images.Shape[2] / Config.PatchSize;
        Tensor patches = Ops.Reshape.Forward(tape, projection.Forward(tape, images), [batch, high * wide, features]);
        Tensor first = Ops.TokenEmbedding.Forward(tape, new int[batch], [batch, 1], Ops.Reshape.Forward(tape, classToken, [1, features]));
        Tensor x = Ops.Concat.Forward(tape, first, patches, axis: 1);
        x = Ops.AddRows.Forward(tape, x, PositionsOf(tape, high, wide));
        foreach (VitLayer layer in layers)
            x = layer.Forward(tape, x);
        return layerNorm.Forward(tape, x);
    }

    // (1 + patches, D)
    Tensor PositionsOf(Tape tape, int high, int wide)
    {
        int side = ImageSize / Config.PatchSize, features = Config.HiddenSize;
        if (high == side && wide == side)
            return Ops.Reshape.Forward(tape, positions, [Config.Patches + 1, features]);
        if (positions.Value.RequiresGrad)
            throw new IlgdException($"vit: positions are learned on pictures of {ImageSize} x {ImageSize}; {high * Config.PatchSize} x {wide * Config.PatchSize} is for a frozen model");
        float[] learned = positions.Value.ToArray();
        return tape.From(
            [.. learned[..features], .. Interpolate.Resize(learned.AsSpan(features), side, side, features, high, wide, InterpolateMode.Bicubic)], [(high * wide) + 1, features]);
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
