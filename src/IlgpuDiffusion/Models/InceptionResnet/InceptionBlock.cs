using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Models;

/// A residual block of Inception-ResNet (Szegedy et al. 2017, figures 16 to 19): branches side by side, a 1 × 1 convolution, added at a scale, ReLU:
/// y = relu(x + s · conv(branches)).
sealed class InceptionBlock
{
    readonly ConvBlock branch0;
    readonly ConvChain[] branches;
    readonly Conv2d conv2d;
    readonly float scale;
    readonly bool relu;

    InceptionBlock(WeightScope w, int channels, int width, int joined, float scale, bool relu, params ReadOnlySpan<(int, int, int, int, bool)[]> chains)
    {
        branch0 = new ConvBlock(w.Scope("branch0"), channels, width, (1, 1));
        List<ConvChain> all = [];
        foreach ((int, int, int, int, bool)[] chain in chains)
            all.Add(new ConvChain(w.Scope($"branch{all.Count + 1}"), channels, chain));
        branches = [.. all];
        conv2d = new Conv2d(w.Scope("conv2d"), joined, channels, 1);
        this.scale = scale;
        this.relu = relu;
    }

    /// On 256 channels, 17 × 17.
    public static InceptionBlock Block35(WeightScope w) => new(
        w, 256, 32, 96, 0.17f, relu: true, [(32, 1, 1, 1, false), (32, 3, 3, 1, true)], [(32, 1, 1, 1, false), (32, 3, 3, 1, true), (32, 3, 3, 1, true)]);

    /// On 896 channels, 8 × 8.
    public static InceptionBlock Block17(WeightScope w) => new(w, 896, 128, 256, 0.1f, relu: true, [(128, 1, 1, 1, false), (128, 1, 7, 1, true), (128, 7, 1, 1, true)]);

    /// On 1,792 channels, 3 × 3.
    public static InceptionBlock Block8(WeightScope w, float scale, bool relu) =>
        new(w, 1792, 192, 384, scale, relu, [(192, 1, 1, 1, false), (192, 1, 3, 1, true), (192, 3, 1, 1, true)]);

    /// x: (B, H, W, C)   returns (B, H, W, C)
    public Tensor Forward(Tape tape, Tensor x)
    {
        Tensor joined = branch0.Forward(tape, x);
        foreach (ConvChain branch in branches)
            joined = Ops.Concat.Forward(tape, joined, branch.Forward(tape, x));
        Tensor y = Ops.Add.Forward(tape, x, Ops.Scale.Forward(tape, conv2d.Forward(tape, joined), scale));
        return relu ? Ops.Relu.Forward(tape, y) : y;
    }
}
