using System.Numerics.Tensors;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Elementwise;

/// Add:  y = a + b.   Backward:  da = dy, db = dy: no kernel. Accumulate:  y += x.
public static class Add
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> y)   // (N)
        {
            for (int i = 0; i < y.Length; i++)
                y[i] = a[i] + b[i];
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    static void ForwardKernel(Index1D i, ArrayView<float> a, ArrayView<float> b, ArrayView<float> y) => y[i] = a[i] + b[i];

    static void AccumulateKernel(Index1D i, ArrayView<float> x, ArrayView<float> y) => y[i] += x[i];

    // ---- launchers ---------------------------------------------------------------------------------
    public static unsafe void Forward(KernelContext k, ArrayView<float> a, ArrayView<float> b, ArrayView<float> y)
    {
        using LaunchScope launch = k.Scope("Add.Forward", y.Length, Work.Of(y.Length, 3 * y.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(ForwardKernel, y.Length, a, b, y);
            return;
        }

        float* pa = a.Pointer(), pb = b.Pointer(), py = y.Pointer();
        cpu.Range(y.Length, Grain.Elements, (begin, end) =>
        {
            int n = (int)(end - begin);
            TensorPrimitives.Add(new ReadOnlySpan<float>(pa + begin, n), new ReadOnlySpan<float>(pb + begin, n), new Span<float>(py + begin, n));
        });
    }

    public static unsafe void Accumulate(KernelContext k, ArrayView<float> x, ArrayView<float> y)
    {
        using LaunchScope launch = k.Scope("Add.Accumulate", y.Length, Work.Of(y.Length, 3 * y.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(AccumulateKernel, y.Length, x, y);
            return;
        }

        float* px = x.Pointer(), py = y.Pointer();
        cpu.Range(y.Length, Grain.Elements, (begin, end) =>
        {
            int n = (int)(end - begin);
            Span<float> sum = new(py + begin, n);
            TensorPrimitives.Add(sum, new ReadOnlySpan<float>(px + begin, n), sum);
        });
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("N=1000")]
    internal static void ForwardTrial(Trial t)
    {
        Floats a = t.Normal(t["N"]), b = t.Normal(t["N"]), y = t.Result(t["N"], Trial.Exact);
        t.Run(() => Forward(t.Kernels, a, b, y), () => Reference.Forward(a, b, y));
    }

    [Trial("N=1000")]
    internal static void AccumulateTrial(Trial t)
    {
        Floats x = t.Normal(t["N"]), y = t.Changed(t["N"], Trial.Exact);
        t.Run(() => Accumulate(t.Kernels, x, y), () => Reference.Forward(x, y, y));
    }
}
