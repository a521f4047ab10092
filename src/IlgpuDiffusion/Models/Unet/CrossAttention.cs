using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// residual + softmax(q kᵀ / √d) v over `heads` slices of the channels, projected, with queries from x, keys and values from the context.
sealed class CrossAttention(WeightScope w, int channels, int contextChannels, int heads, bool bias = false)
{
    readonly Linear toQ = new(w.Scope("to_q"), channels, channels, bias);
    readonly Linear toK = new(w.Scope("to_k"), contextChannels, channels, bias);
    readonly Linear toV = new(w.Scope("to_v"), contextChannels, channels, bias);
    readonly Linear toOut = new(w.Scope("to_out.0"), channels, channels);   // to_out.1 is a dropout without weights

    /// x: (B, T, C)   context: (B, Tc, D)   residual: (B, T, C)   returns (B, T, C)
    public Tensor Forward(Tape tape, Tensor x, Tensor context, Tensor residual) => toOut.Forward(
        tape, Ops.Attention.Forward(tape, toQ.Forward(tape, x), toK.Forward(tape, context), toV.Forward(tape, context), heads), residual);
}
