using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// CLIP's picture encoder (Radford et al. 2021): patches by a convolution, a class token, learned positions, pre-norm transformer; the class token, normed and
/// projected, is the picture's embedding.
public sealed class ClipVisionModel : IDisposable
{
    readonly Parameter classEmbedding;
    readonly Conv2d patches;
    readonly Parameter positions;
    readonly LayerNorm preNorm;
    readonly ClipEncoderLayer[] layers;
    readonly LayerNorm postNorm;
    readonly Linear projection;

    /// Declares the parameters; call Weights.Allocate before use.
    public ClipVisionModel(ClipVisionConfig config)
    {
        Config = config;
        WeightScope w = Weights.Root.Scope("vision_model"), embeddings = w.Scope("embeddings"), encoder = w.Scope("encoder").Scope("layers");
        classEmbedding = embeddings.Get("class_embedding", [config.HiddenSize], Init.Embedding);
        patches = new Conv2d(embeddings.Scope("patch_embedding"), 3, config.HiddenSize, config.PatchSize, config.PatchSize, Ops.Padding.Same(0), bias: false);
        positions = embeddings.Scope("position_embedding").Get("weight", [config.Patches + 1, config.HiddenSize], Init.Embedding);
        preNorm = new LayerNorm(w.Scope("pre_layrnorm"), config.HiddenSize, config.LayerNormEps);   // the published key is misspelt
        layers = [.. Enumerable.Range(0, config.NumHiddenLayers).Select(i => new ClipEncoderLayer(
            encoder.Scope(i), new ClipLayerShape(config.HiddenSize, config.IntermediateSize, config.NumAttentionHeads, config.HiddenAct, config.LayerNormEps, Causal: false)))];
        postNorm = new LayerNorm(w.Scope("post_layernorm"), config.HiddenSize, config.LayerNormEps);
        projection = new Linear(Weights.Root.Scope("visual_projection"), config.HiddenSize, config.ProjectionDim, bias: false);
    }

    public ClipVisionConfig Config { get; }

    public Weights Weights { get; } = new();

    /// Channel means and deviations that pictures in [0, 1] are brought to zero and one with.
    public static (float[] Mean, float[] Deviation) Normalisation { get; } = ([0.48145466f, 0.4578275f, 0.40821073f], [0.26862954f, 0.26130258f, 0.27577711f]);

    /// images: (B, S, S, 3), normalised   returns (B, 1 + patches, D), the class token first, before the last norm
    public Tensor Forward(Tape tape, Tensor images)
    {
        if (images.Shape.Rank != 4 || images.Shape[1] != Config.ImageSize || images.Shape[2] != Config.ImageSize || images.Shape[3] != 3)
            throw new IlgdException($"CLIP vision: pictures {images.Shape} should be (B, {Config.ImageSize}, {Config.ImageSize}, 3)");
        int batch = images.Shape[0], features = Config.HiddenSize;
        Tensor first = Ops.TokenEmbedding.Forward(tape, new int[batch], [batch, 1], Ops.Reshape.Forward(tape, classEmbedding, [1, features]));
        Tensor rest = Ops.Reshape.Forward(tape, patches.Forward(tape, images), [batch, Config.Patches, features]);
        Tensor x = preNorm.Forward(tape, Ops.AddRows.Forward(tape, Ops.Concat.Forward(tape, first, rest, axis: 1), positions));
        foreach (ClipEncoderLayer layer in layers)
            x = layer.Forward(tape, x);
        return x;
    }

    /// CLIP's picture embedding, not normalised: (B, P).
    public Tensor Embed(Tape tape, Tensor images)
    {
        Tensor x = Forward(tape, images);
        Tensor first = Ops.Reshape.Forward(tape, Ops.Slice.Forward(tape, x, 1, 0, 1), [x.Shape[0], x.Shape[2]]);
        return projection.Forward(tape, postNorm.Forward(tape, first));
    }

    public void Dispose() => Weights.Dispose();
}
