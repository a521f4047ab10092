using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Attention.Attention;

namespace IlgpuDiffusion.Ops;

/// Multi-head attention of q (B, Tq, heads·D) over k and v (B, Tk, heads·D), to (B, Tq, heads·D). `bias` is added to the scores before the
/// softmax, (B | 1, heads | 1, Tq, Tk), −∞ hides a key; it gets no gradient. `scale` 0 means 1/√D. `causal`: query i sees keys 0 … i.
/// A query that sees no key gives 0. Keeps q, k, v, the output and two numbers for each query and head.
public static class Attention
{
    public static Tensor Forward(Tape tape, Tensor q, Tensor k, Tensor v, int heads, bool causal = false, Tensor? bias = null, float scale = 0)
    {
        if (q.Shape.Rank != 3 || k.Shape.Rank != 3 || k.Shape != v.Shape || q.Shape[0] != k.Shape[0] || q.Shape[2] != k.Shape[2])
            throw new ArgumentException($"Attention: q {q.Shape}, k {k.Shape}, v {v.Shape} do not fit (B, T, C)");
        int b = q.Shape[0], queries = q.Shape[1], keys = k.Shape[1], c = q.Shape[2];
        if (keys == 0)
            throw new ArgumentException($"Attention: no keys, k is {k.Shape}");
        if (heads < 1 || c % heads != 0)
            throw new ArgumentException($"Attention: C = {c} is not divisible by {heads} heads");
        if (bias is not null && (bias.Shape.Rank != 4 || (bias.Shape[0] != b && bias.Shape[0] != 1) || (bias.Shape[1] != heads && bias.Shape[1] != 1)
            || bias.Shape[2] != queries || bias.Shape[3] != keys))
            throw new ArgumentException($"Attention: bias {bias.Shape} against ({b} or 1, {heads} or 1, {queries}, {keys})");

        int width = c / heads;
        Kernel.Dims d = new(
            b, queries, keys, heads, width, scale == 0 ? 1 / MathF.Sqrt(width) : scale, causal, bias is not null, bias?.Shape[0] > 1, bias?.Shape[1] > 1);
        Tensor y = tape.New(q.Shape), stats = tape.New([b, heads, queries, Kernel.Stats]);
        if (y.Count == 0)
            return y;
        Kernel.Forward(tape.Kernels, q.View, k.View, v.View, (bias ?? q).View, y.View, stats.View, d);
        tape.Record(y, [q, k, v], dy => Backward(tape, q, k, v, bias, y, stats, dy, d));
        return y;
    }

    static void Backward(Tape tape, Tensor q, Tensor k, Tensor v, Tensor? bias, Tensor y, Tensor stats, Tensor dy, Kernel.Dims d)
    {
        Tensor delta = tape.New([d.B, d.Heads, d.Queries]);
        Tensor? dq = q.RequiresGrad ? tape.New(q.Shape) : null;
        bool wantsKeys = k.RequiresGrad || v.RequiresGrad;
        Tensor? dk = wantsKeys ? tape.New(k.Shape) : null, dv = wantsKeys ? tape.New(v.Shape) : null;
        Kernel.Backward(
            tape.Kernels,
            q.View,
            k.View,
            v.View,
            (bias ?? q).View,
            y.View,
            stats.View,
            dy.View,
            delta.View,
            dq?.View ?? default,
            dk?.View ?? default,
            dv?.View ?? default,
            d);
        if (dq is not null)
            tape.Accumulate(q, dq);
        if (dk is not null && dv is not null)
        {
            tape.Accumulate(k, dk);
            tape.Accumulate(v, dv);
        }
    }
}
