using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using ILGPU;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Common;

/// The two loops whose speeds are the machine's roof: nothing but multiply-adds in registers, and nothing but memory (STREAM's triad, McCalpin 1995).
///   MultiplyAdd:  y[i] = Σ of `Chains` numbers, each x ← x/2 + 1/4 for `rounds` times.   Triad:  y = a + s·b.
public static unsafe class Roof
{
    /// Independent chains a thread: enough to hide a multiply-add's latency of four cycles in each of two units.
    public const int Chains = 12;

    // Multiply-adds that one task of the `cpu` pool gets: some tens of microseconds.
    const int Tasks = 64;

    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void MultiplyAdd(Span<float> y, int rounds)
        {
            for (int i = 0; i < y.Length; i++)
            {
                double sum = 0;
                for (int chain = 0; chain < Chains; chain++)
                {
                    double x = chain;
                    for (int r = 0; r < rounds; r++)
                        x = (0.5 * x) + 0.25;
                    sum += x;
                }

                y[i] = (float)sum;
            }
        }

        public static void Triad(ReadOnlySpan<float> a, ReadOnlySpan<float> b, float s, Span<float> y)
        {
            for (int i = 0; i < y.Length; i++)
                y[i] = (float)(a[i] + ((double)s * b[i]));
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    static void MultiplyAddKernel(Index1D i, ArrayView<float> y, int rounds)
    {
        float a = 0, b = 1, c = 2, d = 3, e = 4, f = 5, g = 6, h = 7, j = 8, k = 9, l = 10, m = 11;
        for (int r = 0; r < rounds; r++)
        {
            a = (a * 0.5f) + 0.25f;
            b = (b * 0.5f) + 0.25f;
            c = (c * 0.5f) + 0.25f;
            d = (d * 0.5f) + 0.25f;
            e = (e * 0.5f) + 0.25f;
            f = (f * 0.5f) + 0.25f;
            g = (g * 0.5f) + 0.25f;
            h = (h * 0.5f) + 0.25f;
            j = (j * 0.5f) + 0.25f;
            k = (k * 0.5f) + 0.25f;
            l = (l * 0.5f) + 0.25f;
            m = (m * 0.5f) + 0.25f;
        }

        y[i] = a + b + c + d + e + f + g + h + j + k + l + m;
    }

    static void TriadKernel(Index1D i, ArrayView<float> a, ArrayView<float> b, float s, ArrayView<float> y) => y[i] = a[i] + (s * b[i]);

    // ---- launchers ---------------------------------------------------------------------------------
    public static void MultiplyAdd(KernelContext k, ArrayView<float> y, int rounds)
    {
        using LaunchScope launch = k.Scope("Roof.MultiplyAdd", (y.Length, rounds), Work.Of(2 * Chains * rounds * y.Length, y.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(MultiplyAddKernel, y.Length, y, rounds);
            return;
        }

        float* py = y.Pointer();
        cpu.Range(y.Length, (int)Math.Max(Wide512.Count, y.Length / Tasks), (begin, end) =>
        {
            long i = begin;
            for (; Vector512.IsHardwareAccelerated && i + Wide512.Count <= end; i += Wide512.Count)
                Chain<Wide512>(py + i, rounds);
            for (; i + Wide.Count <= end; i += Wide.Count)
                Chain<Wide>(py + i, rounds);
            for (; i < end; i++)
                Chain<Narrow>(py + i, rounds);
        });
    }

    public static void Triad(KernelContext k, ArrayView<float> a, ArrayView<float> b, float s, ArrayView<float> y)
    {
        using LaunchScope launch = k.Scope("Roof.Triad", y.Length, Work.Of(2 * y.Length, 3 * y.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(TriadKernel, y.Length, a, b, s, y);
            return;
        }

        float* pa = a.Pointer(), pb = b.Pointer(), py = y.Pointer();
        cpu.Range(y.Length, Grain.Elements, (begin, end) => TriadCpu(pa, pb, s, py, begin, end));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void TriadCpu(float* a, float* b, float s, float* y, long begin, long end)
    {
        Wide scale = Wide.All(s);
        long i = begin;
        for (; i + Wide.Count <= end; i += Wide.Count)
            Wide.MultiplyAdd(scale, Wide.Load(b + i), Wide.Load(a + i)).Store(y + i);
        for (; i < end; i++)
            y[i] = a[i] + (s * b[i]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Chain<T>(float* y, int rounds)
        where T : struct, ILanes<T>
    {
        T half = T.All(0.5f), quarter = T.All(0.25f);
        T a = T.All(0), b = T.All(1), c = T.All(2), d = T.All(3), e = T.All(4), f = T.All(5), g = T.All(6), h = T.All(7), j = T.All(8), k = T.All(9), l = T.All(10), m = T.All(11);
        for (int r = 0; r < rounds; r++)
        {
            a = T.MultiplyAdd(a, half, quarter);
            b = T.MultiplyAdd(b, half, quarter);
            c = T.MultiplyAdd(c, half, quarter);
            d = T.MultiplyAdd(d, half, quarter);
            e = T.MultiplyAdd(e, half, quarter);
            f = T.MultiplyAdd(f, half, quarter);
            g = T.MultiplyAdd(g, half, quarter);
            h = T.MultiplyAdd(h, half, quarter);
            j = T.MultiplyAdd(j, half, quarter);
            k = T.MultiplyAdd(k, half, quarter);
            l = T.MultiplyAdd(l, half, quarter);
            m = T.MultiplyAdd(m, half, quarter);
        }

        (a + b + (c + d) + (e + f + (g + h)) + (j + k + (l + m))).Store(y);
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("N=128 rounds=20")]
    internal static void MultiplyAddTrial(Trial t)
    {
        Floats y = t.Result(t["N"], Trial.SumOf(Chains));
        t.Run(() => MultiplyAdd(t.Kernels, y, t["rounds"]), () => Reference.MultiplyAdd(y, t["rounds"]));
    }

    [Trial("N=1000")]
    internal static void TriadTrial(Trial t)
    {
        const float s = 0.7f;
        Floats a = t.Normal(t["N"]), b = t.Normal(t["N"]), y = t.Result(t["N"], Trial.SumOf(1));
        t.Run(() => Triad(t.Kernels, a, b, s, y), () => Reference.Triad(a, b, s, y));
    }
}
