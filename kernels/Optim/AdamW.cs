using System.Numerics;
using IlgpuDiffusion.Kernels.Common;
using ILGPU;

namespace IlgpuDiffusion.Kernels.Optim;

/// The numbers of one AdamW step. `GradScale` multiplies every gradient first (clipping); `Bias1` = 1 − β₁ᵗ, `Bias2` = 1 − β₂ᵗ.
public readonly record struct AdamWStep(float LearningRate, float Beta1, float Beta2, float Epsilon, float WeightDecay, float GradScale, float Bias1, float Bias2)
{
    /// The step numbered t = 1, 2, … : powers are taken in double, as torch does.
    public static AdamWStep At(long t, float learningRate, float beta1, float beta2, float epsilon, float weightDecay, float gradScale) =>
        new(learningRate, beta1, beta2, epsilon, weightDecay, gradScale, (float)(1 - Math.Pow(beta1, t)), (float)(1 - Math.Pow(beta2, t)));
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
                double mi = (s.Beta1 * (double)m[i]) + ((1 - s.Beta1) * grad), vi = (s.Beta2 * (double)v[i]) + ((1 - s.Beta2) * grad * grad);
                m[i] = (float)mi;
                v[i] = (float)vi;
                double decayed = p[i] * (1 - ((double)s.LearningRate * s.WeightDecay));
                p[i] = (float)(decayed - (s.LearningRate / s.Bias1 * mi / ((Math.Sqrt(vi) / Math.Sqrt(s.Bias2)) + s.Epsilon)));
            }
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    static void StepKernel(Index1D i, ArrayView<float> p, ArrayView<float> g, ArrayView<float> m, ArrayView<float> v, AdamWStep s)
    {
        float grad = g[i] * s.GradScale;
        float mi = (s.Beta1 * m[i]) + ((1 - s.Beta1) * grad);
        float vi = (s.Beta2 * v[i]) + ((1 - s.Beta2) * grad * grad);
        m[i] = mi;
        v[i] = vi;
        p[i] = (p[i] * (1 - (s.LearningRate * s.WeightDecay))) - (s.LearningRate / s.Bias1 * mi / ((MathF.Sqrt(vi) / MathF.Sqrt(s.Bias2)) + s.Epsilon));
    }

    // ---- launchers ---------------------------------------------------------------------------------
    public static unsafe void Step(KernelContext k, ArrayView<float> p, ArrayView<float> g, ArrayView<float> m, ArrayView<float> v, AdamWStep s)
    {
        if (k.Cpu is not { } cpu)
        {
            k.Launch(StepKernel, p.Length, p, g, m, v, s);
            return;
        }

        float* pp = p.Pointer(), pg = g.Pointer(), pm = m.Pointer(), pv = v.Pointer();
        cpu.Range(p.Length, Grain.Elements, (begin, end) => StepCpu(pp, pg, pm, pv, begin, end, s));
    }

    static unsafe void StepCpu(float* p, float* g, float* m, float* v, long begin, long end, AdamWStep s)
    {
        float decay = 1 - (s.LearningRate * s.WeightDecay), rate = s.LearningRate / s.Bias1, rsqrtBias2 = 1 / MathF.Sqrt(s.Bias2);
        Vector<float> beta1 = new(s.Beta1), beta2 = new(s.Beta2), rest1 = new(1 - s.Beta1), rest2 = new(1 - s.Beta2);
        long i = begin;
        for (; i + Vector<float>.Count <= end; i += Vector<float>.Count)
        {
            Vector<float> grad = Vector.Load(g + i) * s.GradScale;
            Vector<float> mi = (beta1 * Vector.Load(m + i)) + (rest1 * grad);
            Vector<float> vi = (beta2 * Vector.Load(v + i)) + (rest2 * grad * grad);
            Vector.Store(mi, m + i);
            Vector.Store(vi, v + i);
            Vector<float> update = mi * rate / ((Vector.SquareRoot(vi) * rsqrtBias2) + new Vector<float>(s.Epsilon));
            Vector.Store((Vector.Load(p + i) * decay) - update, p + i);
        }

        for (; i < end; i++)
        {
            float grad = g[i] * s.GradScale;
            m[i] = (s.Beta1 * m[i]) + ((1 - s.Beta1) * grad);
            v[i] = (s.Beta2 * v[i]) + ((1 - s.Beta2) * grad * grad);
            p[i] = (p[i] * decay) - (m[i] * rate / ((MathF.Sqrt(v[i]) * rsqrtBias2) + s.Epsilon));
        }
    }
}
