using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Optim;

/// The numbers of one SGD step; `First` is 1 on the first step, where the momentum buffer starts as the gradient itself.
public readonly record struct SgdStep(float LearningRate, float Momentum, float Dampening, float WeightDecay, float GradScale, int Nesterov, int First);

/// SGD with momentum, as torch defines it:  g ← g + wd·p;  b ← μ·b + (1 − τ)·g (b ← g on the first step);  g ← nesterov ? g + μ·b : b;  p ← p − lr·g.
public static class Sgd
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Step(Span<float> p, ReadOnlySpan<float> g, Span<float> buffer, SgdStep s)   // (N)
        {
            for (int i = 0; i < p.Length; i++)
            {
                float grad = (g[i] * s.GradScale) + (s.WeightDecay * p[i]);
                buffer[i] = s.First == 1 ? grad : (s.Momentum * buffer[i]) + ((1 - s.Dampening) * grad);
                p[i] -= s.LearningRate * (s.Momentum == 0 ? grad : s.Nesterov == 1 ? grad + (s.Momentum * buffer[i]) : buffer[i]);
            }
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    static void StepKernel(Index1D i, ArrayView<float> p, ArrayView<float> g, ArrayView<float> buffer, SgdStep s)
    {
        float grad = (g[i] * s.GradScale) + (s.WeightDecay * p[i]);
        float momentum = s.First == 1 ? grad : (s.Momentum * buffer[i]) + ((1 - s.Dampening) * grad);
        buffer[i] = momentum;
        float direction = s.Nesterov == 1 ? grad + (s.Momentum * momentum) : momentum;
        p[i] -= s.LearningRate * (s.Momentum == 0 ? grad : direction);
    }

    // ---- launchers ---------------------------------------------------------------------------------
    public static unsafe void Step(KernelContext k, ArrayView<float> p, ArrayView<float> g, ArrayView<float> buffer, SgdStep s)
    {
        using LaunchScope launch = k.Scope("Sgd.Step", p.Length, Work.Of(9 * p.Length, 5 * p.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(StepKernel, p.Length, p, g, buffer, s);
            return;
        }

        float* pp = p.Pointer(), pg = g.Pointer(), pb = buffer.Pointer();
        cpu.Range(p.Length, Grain.Elements, (begin, end) =>
        {
            int n = (int)(end - begin);
            Reference.Step(new Span<float>(pp + begin, n), new ReadOnlySpan<float>(pg + begin, n), new Span<float>(pb + begin, n), s);
        });
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("N=1000")]
    internal static void StepTrial(Trial t)
    {
        SgdStep s = new(1e-2f, 0.9f, 0.1f, 1e-2f, 0.5f, Nesterov: 1, First: 0);
        Floats g = t.Normal(t["N"]), p = t.Changed(t["N"], Trial.Function), buffer = t.Changed(t["N"], Trial.Function);
        t.Run(() => Step(t.Kernels, p, g, buffer, s), () => Reference.Step(p, g, buffer, s));
    }
}
