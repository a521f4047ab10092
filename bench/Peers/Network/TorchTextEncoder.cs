using IlgpuDiffusion.Models;
using TorchSharp.Modules;
using Torch = TorchSharp.torch;

namespace IlgpuDiffusion.Peers.Network;

/// CLIP's text encoder in TorchSharp modules.
sealed class TorchTextEncoder
{
    readonly Embedding tokens;
    readonly Embedding positions;
    readonly Layer[] layers;
    readonly LayerNorm finalNorm;

    public TorchTextEncoder(ClipTextConfig config)
    {
        const string root = "text_model";
        tokens = Modules.Embedding($"{root}.embeddings.token_embedding", config.VocabSize, config.HiddenSize);
        positions = Modules.Embedding($"{root}.embeddings.position_embedding", config.MaxPositionEmbeddings, config.HiddenSize);
        layers = [.. Enumerable.Range(0, config.NumHiddenLayers).Select(i => new Layer(Modules, $"{root}.encoder.layers.{i}", config))];
        finalNorm = Modules.LayerNorm($"{root}.final_layer_norm", config.HiddenSize, config.LayerNormEps);
    }

    public TorchModules Modules { get; } = new();

    /// ids: (B, T), int64   returns (B, T, D)
    public Torch.Tensor Forward(Torch.Tensor ids)
    {
        Torch.Tensor x = tokens.forward(ids) + positions.weight!.narrow(0, 0, ids.shape[1]);
        foreach (Layer layer in layers)
            x = layer.Forward(x);
        return finalNorm.forward(x);
    }

    sealed class Layer(TorchModules m, string key, ClipTextConfig config)
    {
        readonly LayerNorm norm1 = m.LayerNorm($"{key}.layer_norm1", config.HiddenSize, config.LayerNormEps);
        readonly TorchLinear q = m.Linear($"{key}.self_attn.q_proj", config.HiddenSize, config.HiddenSize);
        readonly TorchLinear k = m.Linear($"{key}.self_attn.k_proj", config.HiddenSize, config.HiddenSize);
        readonly TorchLinear v = m.Linear($"{key}.self_attn.v_proj", config.HiddenSize, config.HiddenSize);
        readonly TorchLinear output = m.Linear($"{key}.self_attn.out_proj", config.HiddenSize, config.HiddenSize);
        readonly LayerNorm norm2 = m.LayerNorm($"{key}.layer_norm2", config.HiddenSize, config.LayerNormEps);
        readonly TorchLinear fc1 = m.Linear($"{key}.mlp.fc1", config.HiddenSize, config.IntermediateSize);
        readonly TorchLinear fc2 = m.Linear($"{key}.mlp.fc2", config.IntermediateSize, config.HiddenSize);

        public Torch.Tensor Forward(Torch.Tensor x)
        {
            Torch.Tensor h = norm1.forward(x);
            x = x + output.Forward(TorchAttention.Forward(q.Forward(h), k.Forward(h), v.Forward(h), config.NumAttentionHeads, causal: true));
            h = fc1.Forward(norm2.forward(x));
            return x + fc2.Forward(h * Torch.sigmoid(1.702f * h));
        }
    }
}
