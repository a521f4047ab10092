using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// CLIP's text encoder (Radford et al. 2021): token and position embeddings, causal pre-norm transformer, final norm.
public sealed class ClipTextModel : IDisposable
{
    readonly Parameter positions;
    readonly ClipEncoderLayer[] layers;
    readonly LayerNorm finalLayerNorm;
    readonly WeightScope embeddings;

    /// Declares the parameters; call Weights.Allocate before use.
    public ClipTextModel(ClipTextConfig config)
    {
        Config = config;
        WeightScope w = Weights.Root.Scope("text_model");
        embeddings = w.Scope("embeddings");
        Tokens = new Embedding(embeddings.Scope("token_embedding"), config.VocabSize, config.HiddenSize);
        positions = embeddings.Scope("position_embedding").Get("weight", [config.MaxPositionEmbeddings, config.HiddenSize], Init.Embedding);
        WeightScope encoder = w.Scope("encoder").Scope("layers");
        layers = [.. Enumerable.Range(0, config.NumHiddenLayers).Select(i => new ClipEncoderLayer(encoder.Scope(i), config))];
        finalLayerNorm = new LayerNorm(w.Scope("final_layer_norm"), config.HiddenSize, config.LayerNormEps);
    }

    public ClipTextConfig Config { get; }

    public Weights Weights { get; } = new();

    /// The token table: textual inversion trains rows of it.
    public Embedding Tokens { get; }

    /// ids: (B, T) row by row   returns (B, T, D), what the UNet attends to. `clipSkip` leaves out the last layers, but not the final norm.
    public Tensor Forward(Tape tape, ReadOnlySpan<int> ids, int batch, int clipSkip = 0)
    {
        int tokens = ids.Length / batch;
        if (tokens * batch != ids.Length || tokens > Config.MaxPositionEmbeddings)
            throw new IlgdException(
                $"text encoder: {ids.Length} ids for {batch} prompts; each has 1 to {Config.MaxPositionEmbeddings} (max_position_embeddings)");
        if (clipSkip < 0 || clipSkip >= layers.Length)
            throw new IlgdException($"text encoder: clip skip {clipSkip} is outside 0 to {layers.Length - 1}");
        Tensor x = embeddings.Traced(Ops.AddRows.Forward(tape, Tokens.Forward(tape, ids, [batch, tokens]), positions));
        foreach (ClipEncoderLayer layer in layers.AsSpan(0, layers.Length - clipSkip))
            x = layer.Forward(tape, x);
        return finalLayerNorm.Forward(tape, x);
    }

    /// The row of each prompt's end token.   hidden: (B, T, D)   returns (B, D)
    public Tensor Pool(Tape tape, Tensor hidden, ReadOnlySpan<int> ids)
    {
        int batch = hidden.Shape[0], tokens = hidden.Shape[1];
        int[] rows = new int[batch];
        for (int b = 0; b < batch; b++)
            rows[b] = (b * tokens) + EndOf(ids.Slice(b * tokens, tokens));
        return Ops.TokenEmbedding.Forward(tape, rows, [batch], Ops.Reshape.Forward(tape, hidden, [batch * tokens, hidden.Shape[2]]));
    }

    // Files from before transformers 4.31 say eos_token_id 2, which is not the id their tokenizer appends: that one is the highest of all.
    int EndOf(ReadOnlySpan<int> ids)
    {
        int end = 0;
        for (int i = 0; i < ids.Length; i++)
        {
            if (Config.EosTokenId is { } eos and not 2 && ids[i] == eos)
                return i;
            if (ids[i] > ids[end])
                end = i;
        }

        return Config.EosTokenId is null or 2 ? end : 0;
    }

    public void Dispose()
    {
        Tokens.Dispose();
        Weights.Dispose();
    }
}
