using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Ops;
using IlgpuDiffusion.Tensors;
using Conv2d = IlgpuDiffusion.Nn.Conv2d;

namespace IlgpuDiffusion.Models;

/// Halves height and width by a 3×3 convolution of stride 2. Padding 0 means right and bottom only, as autoencoders do it.
sealed class Downsample2D(WeightScope w, int channels, int padding)
{
    readonly Conv2d conv = new(w.Scope("conv"), channels, channels, 3, stride: 2, padding == 0 ? new Padding(0, 1, 0, 1) : Padding.Same(padding));

    /// x: (B, H, W, C)   returns (B, H/2, W/2, C)
    public Tensor Forward(Tape tape, Tensor x) => w.Traced(conv.Forward(tape, x));
}

/// Doubles height and width by repeating pixels, then smooths by a 3×3 convolution.
sealed class Upsample2D(WeightScope w, int channels)
{
    readonly Conv2d conv = new(w.Scope("conv"), channels, channels, 3);

    /// x: (B, H, W, C)   returns (B, 2H, 2W, C)
    public Tensor Forward(Tape tape, Tensor x)
    {
        // The repeated pixels are four times x, but to convolve once more in a backward pass would cost more than to keep them.
        return tape.Recording ? Smoothed(tape, [x]) : Checkpoint.Layer(tape, Smoothed, x);

        Tensor Smoothed(Tape t, Tensor[] given) => w.Traced(conv.Forward(t, Upsample.Forward(t, given[0])));
    }
}
