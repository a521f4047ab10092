using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// Three residual branches: attention among pixels, attention to the text, gated feed-forward.
sealed class BasicTransformerBlock(WeightScope w, int channels, int contextChannels, int heads)
{
    readonly LayerNorm norm1 = new(w.Scope("norm1"), channels);
    readonly CrossAttention attn1 = new(w.Scope("attn1"), channels, channels, heads);
    readonly LayerNorm norm2 = new(w.Scope("norm2"), channels);
    readonly CrossAttention attn2 = new(w.Scope("attn2"), channels, contextChannels, heads);
    readonly LayerNorm norm3 = new(w.Scope("norm3"), channels);
    readonly Linear ffIn = new(w.Scope("ff.net.0.proj"), channels, 8 * channels);
    readonly Linear ffOut = new(w.Scope("ff.net.2"), 4 * channels, channels);   // net.1 is a dropout without weights

    /// x: (B, T, C)   context: (B, Tc, D)   returns (B, T, C)
    public Tensor Forward(Tape tape, Tensor x, Tensor context)
    {
        Tensor h = norm1.Forward(tape, x);
        x = attn1.Forward(tape, h, h, x);
        x = attn2.Forward(tape, norm2.Forward(tape, x), context, x);
        h = Ops.Geglu.Forward(tape, ffIn.Forward(tape, norm3.Forward(tape, x)));
        return w.Traced(ffOut.Forward(tape, h, x));
    }
}
