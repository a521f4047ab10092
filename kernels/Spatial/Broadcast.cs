using System.Numerics.Tensors;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Spatial;

/// y[s, r, c] = scale·x[s, c]: what takes a sum or a mean over rows back to the rows.
public static class Broadcast
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(ReadOnlySpan<float> x, Span<float> y, int rows, int width, float scale)   // (S, C) -> (S, R, C)
        {
            for (int i = 0; i < y.Length; i++)
                y[i] = scale * x[(i / (rows * width) * width) + (i % width)];
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    static void ForwardKernel(Index1D i, ArrayView<float> x, ArrayView<float> y, int rows, int width, float scale)
    {
        int row = i / width, sample = row / rows;
        y[i] = scale * x[((long)sample * width) + (i - (row * width))];
    }

    // ---- launchers ---------------------------------------------------------------------------------
    public static unsafe void Forward(KernelContext k, ArrayView<float> x, ArrayView<float> y, int rows, int width, float scale)
    {
        using LaunchScope launch = k.Scope("Broadcast.Forward", (y.Length, rows, width), Work.Of(y.Length, x.Length + y.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(ForwardKernel, y.Length, x, y, rows, width, scale);
            return;
        }

        float* px = x.Pointer(), py = y.Pointer();
        cpu.Range(width == 0 ? 0 : y.Length / width, Grain.Rows(width), (begin, end) =>
        {
            for (long r = begin; r < end; r++)
                TensorPrimitives.Multiply(new ReadOnlySpan<float>(px + (r / rows * width), width), scale, new Span<float>(py + (r * width), width));
        });
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("S=2 R=10 C=24")]
    internal static void ForwardTrial(Trial t)
    {
        const float scale = 0.7f;
        Floats x = t.Normal((long)t["S"] * t["C"]), y = t.Result((long)t["S"] * t["R"] * t["C"], Trial.Exact);
        t.Run(() => Forward(t.Kernels, x, y, t["R"], t["C"], scale), () => Reference.Forward(x, y, t["R"], t["C"], scale));
    }
}
