using System.Numerics;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Elementwise;

/// A function of one variable: what an activation's file holds. Everything else about elementwise functions is in <see cref="Unary"/>.
public interface IUnary
{
    /// f(x) and f′(x) in double: the definition that the fast forms are tested against.
    static abstract double Define(double x);

    static abstract double DefineSlope(double x);

    /// f(x), for any ILGPU backend.
    static abstract float Forward(float x);

    /// dy·f′(x).
    static abstract float Backward(float x, float dy);

    /// f(x) on the lanes of a processor's vector.
    static abstract Vector<float> Forward(Vector<float> x);

    static abstract Vector<float> Backward(Vector<float> x, Vector<float> dy);
}

/// Elementwise  y = f(x).   Backward:  dx = dy·f′(x).   x is kept; whatever f shares with f′ is recomputed: cheaper than a second buffer.
public static class Unary
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward<T>(ReadOnlySpan<float> x, Span<float> y)   // (N)
            where T : struct, IUnary
        {
            for (int i = 0; i < x.Length; i++)
                y[i] = (float)T.Define(x[i]);
        }

        public static void Backward<T>(ReadOnlySpan<float> x, ReadOnlySpan<float> dy, Span<float> dx)
            where T : struct, IUnary
        {
            for (int i = 0; i < x.Length; i++)
                dx[i] = (float)(dy[i] * T.DefineSlope(x[i]));
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    static void ForwardKernel<T>(Index1D i, ArrayView<float> x, ArrayView<float> y)
        where T : struct, IUnary => y[i] = T.Forward(x[i]);

    static void BackwardKernel<T>(Index1D i, ArrayView<float> x, ArrayView<float> dy, ArrayView<float> dx)
        where T : struct, IUnary => dx[i] = T.Backward(x[i], dy[i]);

    // ---- launchers ---------------------------------------------------------------------------------
    public static unsafe void Forward<T>(KernelContext k, ArrayView<float> x, ArrayView<float> y)
        where T : struct, IUnary
    {
        using LaunchScope launch = k.Scope("Unary.Forward", y.Length, Work.Of(y.Length, 2 * y.Length), typeof(T));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(ForwardKernel<T>, y.Length, x, y);
            return;
        }

        float* px = x.Pointer(), py = y.Pointer();
        cpu.Range(y.Length, Grain.Elements, (begin, end) =>
        {
            for (long i = begin; i < end; i += Lanes.Width)
                Lanes.Store(T.Forward(Lanes.Load(px + i, (int)(end - i))), py + i, (int)(end - i));
        });
    }

    public static unsafe void Backward<T>(KernelContext k, ArrayView<float> x, ArrayView<float> dy, ArrayView<float> dx)
        where T : struct, IUnary
    {
        using LaunchScope launch = k.Scope("Unary.Backward", dx.Length, Work.Of(2 * dx.Length, 3 * dx.Length), typeof(T));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(BackwardKernel<T>, dx.Length, x, dy, dx);
            return;
        }

        float* px = x.Pointer(), pdy = dy.Pointer(), pdx = dx.Pointer();
        cpu.Range(dx.Length, Grain.Elements, (begin, end) =>
        {
            for (long i = begin; i < end; i += Lanes.Width)
            {
                int left = (int)(end - i);
                Lanes.Store(T.Backward(Lanes.Load(px + i, left), Lanes.Load(pdy + i, left)), pdx + i, left);
            }
        });
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("N=1000")]
    internal static void ForwardTrial<T>(Trial t)
        where T : struct, IUnary
    {
        Floats x = t.Normal(t["N"]), y = t.Result(t["N"], Trial.Function);
        t.Run(() => Forward<T>(t.Kernels, x, y), () => Reference.Forward<T>(x, y));
    }

    [Trial("N=1000")]
    internal static void BackwardTrial<T>(Trial t)
        where T : struct, IUnary
    {
        Floats x = t.Normal(t["N"]), dy = t.Normal(t["N"]), dx = t.Result(t["N"], Trial.Function);
        t.Run(() => Backward<T>(t.Kernels, x, dy, dx), () => Reference.Backward<T>(x, dy, dx));
    }
}
