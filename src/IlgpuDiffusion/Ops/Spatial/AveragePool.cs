using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Kernels.Spatial;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Spatial.AveragePool;

namespace IlgpuDiffusion.Ops;

/// Mean over square windows, padding counted as zeros, as torch does by default: (B, H, W, C) to (B, H', W', C),
/// H' = (H + 2·padding − kernel)/stride + 1, rounded down. Keeps nothing.
public static class AveragePool
{
    public static Tensor Forward(Tape tape, Tensor x, int kernel, int stride, int padding = 0)
    {
        PoolWindows windows = Windows("AveragePool", x.Shape, kernel, stride, padding);
        Tensor y = tape.New([x.Shape[0], windows.OutH, windows.OutW, windows.C]);
        Kernel.Forward(tape.Kernels, x.View, y.View, x.Shape[0], windows);
        tape.Record(y, [x], dy =>
        {
            Tensor dx = tape.New(x.Shape);
            Kernel.Backward(tape.Kernels, dy.View, dx.View, x.Shape[0], windows);
            tape.Accumulate(x, dx);
        });
        return y;
    }

    /// Padding up to half a window, so that no window lies wholly outside.
    internal static PoolWindows Windows(string op, Shape x, int kernel, int stride, int padding)
    {
        if (x.Rank != 4)
            throw new ArgumentException($"{op}: {x} is not (B, H, W, C)");
        if (kernel < 1 || stride < 1 || padding < 0 || 2 * padding > kernel || x[1] + (2 * padding) < kernel || x[2] + (2 * padding) < kernel)
            throw new ArgumentException($"{op}: kernel {kernel}, stride {stride}, padding {padding} do not fit {x}");
        return PoolWindows.Of(x[1], x[2], x[3], kernel, stride, padding);
    }
}
