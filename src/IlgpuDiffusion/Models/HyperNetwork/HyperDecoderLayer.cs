using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// x = x + self(norm x), x = x + cross(norm x, memory), x = x + mlp(norm x): a pre-norm transformer decoder's layer, without `cross` in the concatenated form.
sealed class HyperDecoderLayer
{
    readonly LayerNorm norm1;
    readonly CrossAttention selfAttention;
    readonly LayerNorm? norm2;
    readonly CrossAttention? crossAttention;
    readonly LayerNorm norm3;
    readonly Linear linear1;
    readonly Linear linear2;

    public HyperDecoderLayer(WeightScope w, HyperNetworkConfig config)
    {
        int d = config.HiddenSize;
        norm1 = new LayerNorm(w.Scope("norm1"), d);
        selfAttention = new CrossAttention(w.Scope("self_attn"), d, d, config.NumAttentionHeads);
        if (!config.Concatenated)
        {
            norm2 = new LayerNorm(w.Scope("norm2"), d);
            crossAttention = new CrossAttention(w.Scope("multihead_attn"), d, d, config.NumAttentionHeads);
        }

        norm3 = new LayerNorm(w.Scope("norm3"), d);
        linear1 = new Linear(w.Scope("linear1"), d, config.IntermediateSize);
        linear2 = new Linear(w.Scope("linear2"), config.IntermediateSize, d);
    }

    /// x: (B, L, D)   memory: (B, M, D)   returns (B, L, D)
    public Tensor Forward(Tape tape, Tensor x, Tensor memory)
    {
        Tensor h = norm1.Forward(tape, x);
        x = selfAttention.Forward(tape, h, h, x);
        if (crossAttention is not null)
            x = crossAttention.Forward(tape, norm2!.Forward(tape, x), memory, x);
        h = Ops.Gelu.Forward(tape, linear1.Forward(tape, norm3.Forward(tape, x)));
        return linear2.Forward(tape, h, x);
    }
}
