using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// x = x + attention(norm(x)), x = x + mlp(norm(x)); every token sees all.
sealed class VitLayer(WeightScope w, VitConfig config)
{
    readonly Linear query = new(w.Scope("attention.attention.query"), config.HiddenSize, config.HiddenSize, config.QkvBias);
    readonly Linear key = new(w.Scope("attention.attention.key"), config.HiddenSize, config.HiddenSize, config.QkvBias);
    readonly Linear value = new(w.Scope("attention.attention.value"), config.HiddenSize, config.HiddenSize, config.QkvBias);
    readonly Linear dense = new(w.Scope("attention.output.dense"), config.HiddenSize, config.HiddenSize);
    readonly LayerNorm before = new(w.Scope("layernorm_before"), config.HiddenSize, config.LayerNormEps);
    readonly LayerNorm after = new(w.Scope("layernorm_after"), config.HiddenSize, config.LayerNormEps);
    readonly Linear intermediate = new(w.Scope("intermediate.dense"), config.HiddenSize, config.IntermediateSize);
    readonly Linear output = new(w.Scope("output.dense"), config.IntermediateSize, config.HiddenSize);

    /// x: (B, T, D)   returns (B, T, D)
    public Tensor Forward(Tape tape, Tensor x)
    {
        Tensor h = before.Forward(tape, x);
        h = Ops.Attention.Forward(tape, query.Forward(tape, h), key.Forward(tape, h), value.Forward(tape, h), config.NumAttentionHeads);
        x = dense.Forward(tape, h, x);
        h = Ops.Gelu.Forward(tape, intermediate.Forward(tape, after.Forward(tape, x)));
        return w.Traced(output.Forward(tape, h, x));
    }
}
