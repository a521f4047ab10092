using System.Numerics.Tensors;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

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
        using LaunchScope launch = k.Scope("AddChannels.Forward", (y.Length, rows, width), Work.Of(y.Length, (2 * y.Length) + v.Length));
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

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("S=2 R=10 C=40")]
    internal static void ForwardTrial(Trial t)
    {
        long count = (long)t["S"] * t["R"] * t["C"];
        Floats x = t.Normal(count), v = t.Normal((long)t["S"] * t["C"]), y = t.Result(count, Trial.Exact);
        t.Run(() => Forward(t.Kernels, x, v, y, t["R"], t["C"]), () => Reference.Forward(x, v, y, t["R"], t["C"]));
    }
}
