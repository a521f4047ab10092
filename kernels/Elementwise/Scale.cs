using System.Numerics.Tensors;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Elementwise;

/// Scale:  y = s·x, s a number.   Backward:  dx = s·dy, the same kernel.
public static class Scale
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(ReadOnlySpan<float> x, float s, Span<float> y)   // (N)
        {
            for (int i = 0; i < y.Length; i++)
                y[i] = s * x[i];
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    static void ForwardKernel(Index1D i, ArrayView<float> x, float s, ArrayView<float> y) => y[i] = s * x[i];

    // ---- launchers ---------------------------------------------------------------------------------
    public static unsafe void Forward(KernelContext k, ArrayView<float> x, float s, ArrayView<float> y)
    {
        using LaunchScope launch = k.Scope("Scale.Forward", y.Length, Work.Of(y.Length, 2 * y.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(ForwardKernel, y.Length, x, s, y);
            return;
        }

        float* px = x.Pointer(), py = y.Pointer();
        cpu.Range(y.Length, Grain.Elements, (begin, end) =>
        {
            int n = (int)(end - begin);
            TensorPrimitives.Multiply(new ReadOnlySpan<float>(px + begin, n), s, new Span<float>(py + begin, n));
        });
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("N=1000")]
    internal static void ForwardTrial(Trial t)
    {
        const float factor = 0.7f;
        Floats x = t.Normal(t["N"]), y = t.Result(t["N"], Trial.Exact);
        t.Run(() => Forward(t.Kernels, x, factor, y), () => Reference.Forward(x, factor, y));
    }
}
