using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// A transformer over pixels as tokens, with the text as context, around a residual. Channels-last pixels are tokens already; a linear
/// projection (SD 2) and a 1×1 convolution (SD 1) are one computation published under two shapes.
sealed class Transformer2D
{
    readonly WeightScope scope;
    readonly GroupNorm norm;
    readonly Func<Tape, Tensor, Tensor?, Tensor> projIn;
    readonly BasicTransformerBlock[] blocks;
    readonly Func<Tape, Tensor, Tensor?, Tensor> projOut;

    public Transformer2D(WeightScope w, UNetConfig config, int level)
    {
        scope = w;
        int channels = config.BlockOutChannels[level];
        norm = new GroupNorm(w.Scope("norm"), channels, config.NormNumGroups, 1e-6f);
        projIn = Projection(w.Scope("proj_in"), channels, config.UseLinearProjection);
        blocks =
        [
            .. Enumerable.Range(0, config.TransformerLayersPerBlock).Select(i =>
                new BasicTransformerBlock(w.Scope("transformer_blocks").Scope(i), channels, config.CrossAttentionDim, config.Heads(level))),
        ];
        projOut = Projection(w.Scope("proj_out"), channels, config.UseLinearProjection);
    }

    /// x: (B, H, W, C)   context: (B, T, D)   returns (B, H, W, C)
    public Tensor Forward(Tape tape, Tensor x, Tensor context)
    {
        Shape pixels = x.Shape;
        Tensor h = projIn(tape, norm.Forward(tape, x), null);
        h = Ops.Reshape.Forward(tape, h, [pixels[0], pixels[1] * pixels[2], pixels[3]]);
        foreach (BasicTransformerBlock block in blocks)
            h = block.Forward(tape, h, context);
        return scope.Traced(projOut(tape, Ops.Reshape.Forward(tape, h, pixels), x));
    }

    // The last argument is a residual.
    static Func<Tape, Tensor, Tensor?, Tensor> Projection(WeightScope w, int channels, bool linear) =>
        linear ? new Linear(w, channels, channels).Forward : new Conv2d(w, channels, channels, 1).Forward;
}
