using System.Numerics;
using System.Runtime.CompilerServices;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Optim;

/// The numbers of one AdamW step: `Decay` = 1 − lr·wd, `Rate` = lr/(1 − β₁ᵗ), `Rest` = 1 − β, `RootBias2` = √(1 − β₂ᵗ). `GradScale` multiplies
/// every gradient first (clipping).
public readonly record struct AdamWStep(float Beta1, float Rest1, float Beta2, float Rest2, float Decay, float Rate, float RootBias2, float Epsilon, float GradScale)
{
    /// The step numbered t = 1, 2, … . All factors are made in double, as torch does: 1 − β₂ in float would be off by 1e-5 of itself.
    public static AdamWStep At(long t, double learningRate, double beta1, double beta2, double epsilon, double weightDecay, float gradScale) =>
        new(
            (float)beta1,
            (float)(1 - beta1),
            (float)beta2,
            (float)(1 - beta2),
            (float)(1 - (learningRate * weightDecay)),
            (float)(learningRate / (1 - Math.Pow(beta1, t))),
            (float)Math.Sqrt(1 - Math.Pow(beta2, t)),
            (float)epsilon,
            gradScale);
}

/// AdamW (Loshchilov and Hutter 2019, algorithm 2), over all parameters of a model at once:
///   p ← p·(1 − lr·wd);  m ← β₁m + (1 − β₁)g;  v ← β₂v + (1 − β₂)g²;  p ← p − lr/(1 − β₁ᵗ) · m / (√v/√(1 − β₂ᵗ) + ε).
public static class AdamW
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Step(Span<float> p, ReadOnlySpan<float> g, Span<float> m, Span<float> v, AdamWStep s)   // (N)
        {
            for (int i = 0; i < p.Length; i++)
            {
                double grad = (double)g[i] * s.GradScale;
                double mi = (s.Beta1 * (double)m[i]) + (s.Rest1 * grad), vi = (s.Beta2 * (double)v[i]) + (s.Rest2 * grad * grad);
                m[i] = (float)mi;
                v[i] = (float)vi;
                p[i] = (float)((p[i] * (double)s.Decay) - (s.Rate * mi / ((Math.Sqrt(vi) / s.RootBias2) + s.Epsilon)));
            }
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    static void StepKernel(Index1D i, ArrayView<float> p, ArrayView<float> g, ArrayView<float> m, ArrayView<float> v, AdamWStep s)
    {
        float grad = g[i] * s.GradScale;
        float mi = (s.Beta1 * m[i]) + (s.Rest1 * grad);
        float vi = (s.Beta2 * v[i]) + (s.Rest2 * grad * grad);
        m[i] = mi;
        v[i] = vi;
        p[i] = (p[i] * s.Decay) - (s.Rate * mi / ((MathF.Sqrt(vi) / s.RootBias2) + s.Epsilon));
    }

    // ---- launchers ---------------------------------------------------------------------------------
    public static unsafe void Step(KernelContext k, ArrayView<float> p, ArrayView<float> g, ArrayView<float> m, ArrayView<float> v, AdamWStep s)
    {
        using LaunchScope launch = k.Scope("AdamW.Step", p.Length, Work.Of(15 * p.Length, 7 * p.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(StepKernel, p.Length, p, g, m, v, s);
            return;
        }

        float* pp = p.Pointer(), pg = g.Pointer(), pm = m.Pointer(), pv = v.Pointer();
        cpu.Range(p.Length, Grain.Elements, (begin, end) => StepCpu(pp, pg, pm, pv, begin, end, s));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static unsafe void StepCpu(float* p, float* g, float* m, float* v, long begin, long end, AdamWStep s)
    {
        float inverseRoot = 1 / s.RootBias2;
        Vector<float> beta1 = new(s.Beta1), beta2 = new(s.Beta2), rest1 = new(s.Rest1), rest2 = new(s.Rest2);
        long i = begin;
        for (; i + Vector<float>.Count <= end; i += Vector<float>.Count)
        {
            Vector<float> grad = Vector.Load(g + i) * s.GradScale;
            Vector<float> mi = (beta1 * Vector.Load(m + i)) + (rest1 * grad);
            Vector<float> vi = (beta2 * Vector.Load(v + i)) + (rest2 * grad * grad);
            Vector.Store(mi, m + i);
            Vector.Store(vi, v + i);
            Vector<float> update = mi * s.Rate / ((Vector.SquareRoot(vi) * inverseRoot) + new Vector<float>(s.Epsilon));
            Vector.Store((Vector.Load(p + i) * s.Decay) - update, p + i);
        }

        for (; i < end; i++)
        {
            float grad = g[i] * s.GradScale;
            m[i] = (s.Beta1 * m[i]) + (s.Rest1 * grad);
            v[i] = (s.Beta2 * v[i]) + (s.Rest2 * grad * grad);
            p[i] = (p[i] * s.Decay) - (m[i] * s.Rate / ((MathF.Sqrt(v[i]) * inverseRoot) + s.Epsilon));
        }
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("N=1000")]
    internal static void StepTrial(Trial t)
    {
        AdamWStep s = AdamWStep.At(3, 1e-3, 0.9, 0.999, 1e-8, 1e-2, 0.5f);
        Floats g = t.Normal(t["N"]), p = t.Changed(t["N"], Trial.Function), m = t.Changed(t["N"], Trial.Function), v = t.ChangedPositive(t["N"], Trial.Function);
        t.Run(() => Step(t.Kernels, p, g, m, v, s), () => Reference.Step(p, g, m, v, s));
    }
}
