using System.Numerics.Tensors;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Elementwise;

/// Subtract:  y = a − b.   Backward:  da = dy: no kernel;  db = −dy: <see cref="Scale"/>.
public static class Subtract
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> y)   // (N)
        {
            for (int i = 0; i < y.Length; i++)
                y[i] = a[i] - b[i];
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    static void ForwardKernel(Index1D i, ArrayView<float> a, ArrayView<float> b, ArrayView<float> y) => y[i] = a[i] - b[i];

    // ---- launchers ---------------------------------------------------------------------------------
    public static unsafe void Forward(KernelContext k, ArrayView<float> a, ArrayView<float> b, ArrayView<float> y)
    {
        using LaunchScope launch = k.Scope("Subtract.Forward", y.Length, Work.Of(y.Length, 3 * y.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(ForwardKernel, y.Length, a, b, y);
            return;
        }

        float* pa = a.Pointer(), pb = b.Pointer(), py = y.Pointer();
        cpu.Range(y.Length, Grain.Elements, (begin, end) =>
        {
            int n = (int)(end - begin);
            TensorPrimitives.Subtract(new ReadOnlySpan<float>(pa + begin, n), new ReadOnlySpan<float>(pb + begin, n), new Span<float>(py + begin, n));
        });
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("N=1000")]
    internal static void ForwardTrial(Trial t)
    {
        Floats a = t.Normal(t["N"]), b = t.Normal(t["N"]), y = t.Result(t["N"], Trial.Exact);
        t.Run(() => Forward(t.Kernels, a, b, y), () => Reference.Forward(a, b, y));
    }
}
