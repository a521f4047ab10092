using System.Numerics.Tensors;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Kernels.Elementwise;

/// y[s, r, c] = x[s, r, c] + v[s, c]: one vector of channels a sample, the same on all its rows. With one sample it adds a table to every row.
/// Backward:  dx = dy: no kernel;  dv = Σ_r dy: <see cref="ColumnSum"/>.
public static class AddChannels
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(ReadOnlySpan<float> x, ReadOnlySpan<float> v, Span<float> y, int rows, int width)   // (S, R, C), (S, C)
        {
            for (int i = 0; i < y.Length; i++)
                y[i] = x[i] + v[(i / (rows * width) * width) + (i % width)];
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    static void ForwardKernel(Index1D i, ArrayView<float> x, ArrayView<float> v, ArrayView<float> y, int rows, int width)
    {
        int row = i / width;
        y[i] = x[i] + v[((long)(row / rows) * width) + (i - (row * width))];
    }

    // ---- launchers ---------------------------------------------------------------------------------
    public static unsafe void Forward(KernelContext k, ArrayView<float> x, ArrayView<float> v, ArrayView<float> y, int rows, int width)
    {
        if (k.Cpu is not { } cpu)
        {
            k.Launch(ForwardKernel, y.Length, x, v, y, rows, width);
            return;
        }

        float* px = x.Pointer(), pv = v.Pointer(), py = y.Pointer();
        cpu.Range(width == 0 ? 0 : y.Length / width, Grain.Rows(width), (begin, end) =>
        {
            for (long r = begin; r < end; r++)
            {
                ReadOnlySpan<float> row = new(px + (r * width), width), channels = new(pv + (r / rows * width), width);
                TensorPrimitives.Add(row, channels, new Span<float>(py + (r * width), width));
            }
        });
    }
}
