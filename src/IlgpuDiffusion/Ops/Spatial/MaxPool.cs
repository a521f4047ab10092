using ILGPU;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Kernels.Spatial;
using IlgpuDiffusion.Tensors;
using Kernel = IlgpuDiffusion.Kernels.Spatial.MaxPool;

namespace IlgpuDiffusion.Ops;

/// Largest of square windows: (B, H, W, C) to (B, H', W', C), H' = (H + 2·padding − kernel)/stride + 1, rounded down.
/// Keeps which pixel each window chose: the first of equal ones.
public static class MaxPool
{
    public static Tensor Forward(Tape tape, Tensor x, int kernel, int stride, int padding = 0)
    {
        PoolWindows windows = AveragePool.Windows("MaxPool", x.Shape, kernel, stride, padding);
        Tensor y = tape.New([x.Shape[0], windows.OutH, windows.OutW, windows.C]);
        ArrayView<int> argmax = tape.Arena.Take<int>(y.Count);
        Kernel.Forward(tape.Kernels, x.View, y.View, argmax, x.Shape[0], windows);
        tape.Record(y, [x], dy =>
        {
            Tensor dx = tape.New(x.Shape);
            Kernel.Backward(tape.Kernels, dy.View, argmax, dx.View, x.Shape[0], windows);
            tape.Accumulate(x, dx);
        });
        return y;
    }
}
