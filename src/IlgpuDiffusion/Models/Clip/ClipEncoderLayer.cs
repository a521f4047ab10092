using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// Sizes of a layer of CLIP; `Causal`: a token sees itself and those before it (text), or all (pictures).
readonly record struct ClipLayerShape(int Features, int Intermediate, int Heads, string Act, float Eps, bool Causal);

/// x = x + attention(norm(x)), x = x + mlp(norm(x)).
sealed class ClipEncoderLayer(WeightScope w, ClipLayerShape shape)
{
    readonly Linear kProj = new(w.Scope("self_attn").Scope("k_proj"), shape.Features, shape.Features);
    readonly Linear vProj = new(w.Scope("self_attn").Scope("v_proj"), shape.Features, shape.Features);
    readonly Linear qProj = new(w.Scope("self_attn").Scope("q_proj"), shape.Features, shape.Features);
    readonly Linear outProj = new(w.Scope("self_attn").Scope("out_proj"), shape.Features, shape.Features);
    readonly LayerNorm layerNorm1 = new(w.Scope("layer_norm1"), shape.Features, shape.Eps);
    readonly Linear fc1 = new(w.Scope("mlp").Scope("fc1"), shape.Features, shape.Intermediate);
    readonly Linear fc2 = new(w.Scope("mlp").Scope("fc2"), shape.Intermediate, shape.Features);
    readonly LayerNorm layerNorm2 = new(w.Scope("layer_norm2"), shape.Features, shape.Eps);

    /// x: (B, T, D)   returns (B, T, D)
    public Tensor Forward(Tape tape, Tensor x)
    {
        Tensor h = layerNorm1.Forward(tape, x);
        h = Ops.Attention.Forward(tape, qProj.Forward(tape, h), kProj.Forward(tape, h), vProj.Forward(tape, h), shape.Heads, shape.Causal);
        x = outProj.Forward(tape, h, x);

        h = fc1.Forward(tape, layerNorm2.Forward(tape, x));
        h = shape.Act == "gelu" ? Ops.Gelu.Forward(tape, h) : Ops.QuickGelu.Forward(tape, h);
        return w.Traced(fc2.Forward(tape, h, x));
    }
}
