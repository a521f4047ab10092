using System.Numerics;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Optim;

/// Exponential moving average:  s ← s − (1 − d)·(s − p).
public static class Ema
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Step(Span<float> shadow, ReadOnlySpan<float> p, float decay)   // (N)
        {
            for (int i = 0; i < shadow.Length; i++)
                shadow[i] -= (1 - decay) * (shadow[i] - p[i]);
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    static void StepKernel(Index1D i, ArrayView<float> shadow, ArrayView<float> p, float rest) => shadow[i] -= rest * (shadow[i] - p[i]);

    // ---- launchers ---------------------------------------------------------------------------------
    public static unsafe void Step(KernelContext k, ArrayView<float> shadow, ArrayView<float> p, float decay)
    {
        using LaunchScope launch = k.Scope("Ema.Step", p.Length, Work.Of(3 * p.Length, 3 * p.Length));
        float rest = 1 - decay;
        if (k.Cpu is not { } cpu)
        {
            k.Launch(StepKernel, p.Length, shadow, p, rest);
            return;
        }

        float* ps = shadow.Pointer(), pp = p.Pointer();
        cpu.Range(p.Length, Grain.Elements, (begin, end) =>
        {
            long i = begin;
            for (; i + Vector<float>.Count <= end; i += Vector<float>.Count)
            {
                Vector<float> s = Vector.Load(ps + i);
                Vector.Store(s - ((s - Vector.Load(pp + i)) * rest), ps + i);
            }

            for (; i < end; i++)
                ps[i] -= rest * (ps[i] - pp[i]);
        });
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("N=1000")]
    internal static void StepTrial(Trial t)
    {
        const float decay = 0.99f;
        Floats p = t.Normal(t["N"]), shadow = t.Changed(t["N"], Trial.Function);
        t.Run(() => Step(t.Kernels, shadow, p, decay), () => Reference.Step(shadow, p, decay));
    }
}
