using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// x = x + attention(norm(x)), x = x + mlp(norm(x)); a token sees itself and those before it.
sealed class ClipEncoderLayer(WeightScope w, ClipTextConfig config)
{
    readonly Linear kProj = new(w.Scope("self_attn").Scope("k_proj"), config.HiddenSize, config.HiddenSize);
    readonly Linear vProj = new(w.Scope("self_attn").Scope("v_proj"), config.HiddenSize, config.HiddenSize);
    readonly Linear qProj = new(w.Scope("self_attn").Scope("q_proj"), config.HiddenSize, config.HiddenSize);
    readonly Linear outProj = new(w.Scope("self_attn").Scope("out_proj"), config.HiddenSize, config.HiddenSize);
    readonly LayerNorm layerNorm1 = new(w.Scope("layer_norm1"), config.HiddenSize, config.LayerNormEps);
    readonly Linear fc1 = new(w.Scope("mlp").Scope("fc1"), config.HiddenSize, config.IntermediateSize);
    readonly Linear fc2 = new(w.Scope("mlp").Scope("fc2"), config.IntermediateSize, config.HiddenSize);
    readonly LayerNorm layerNorm2 = new(w.Scope("layer_norm2"), config.HiddenSize, config.LayerNormEps);

    /// x: (B, T, D)   returns (B, T, D)
    public Tensor Forward(Tape tape, Tensor x)
    {
        Tensor h = layerNorm1.Forward(tape, x);
        h = Ops.Attention.Forward(
            tape, qProj.Forward(tape, h), kProj.Forward(tape, h), vProj.Forward(tape, h), config.NumAttentionHeads, causal: true);
        x = Ops.Add.Forward(tape, x, outProj.Forward(tape, h));

        h = fc1.Forward(tape, layerNorm2.Forward(tape, x));
        h = config.HiddenAct == "gelu" ? Ops.Gelu.Forward(tape, h) : Ops.QuickGelu.Forward(tape, h);
        return w.Traced(Ops.Add.Forward(tape, x, fc2.Forward(tape, h)));
    }
}
