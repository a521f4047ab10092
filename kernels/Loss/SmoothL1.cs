using System.Numerics;

namespace IlgpuDiffusion.Kernels.Loss;

/// f(d) = d²/(2β) where |d| &lt; β, else |d| − β/2.   f′(d) = d/β, cut to ±1.
public readonly struct SmoothL1 : IPointwiseLoss
{
    public static double Define(double d, double beta) => Math.Abs(d) < beta ? d * d / (2 * beta) : Math.Abs(d) - (beta / 2);

    public static double DefineSlope(double d, double beta) => Math.Abs(d) < beta ? d / beta : Math.Sign(d);

    public static float Value(float d, float beta)
    {
        float a = MathF.Abs(d);
        return a < beta ? 0.5f * d * d / beta : a - (0.5f * beta);
    }

    public static float Slope(float d, float beta) => MathF.Abs(d) < beta ? d / beta : L1.Slope(d, beta);

    public static Vector<float> Value(Vector<float> d, float beta)
    {
        Vector<float> a = Vector.Abs(d), b = new(beta);
        return Vector.ConditionalSelect(Vector.LessThan(a, b), d * d * 0.5f / b, a - (b * 0.5f));
    }

    public static Vector<float> Slope(Vector<float> d, float beta) =>
        Vector.ConditionalSelect(Vector.LessThan(Vector.Abs(d), new(beta)), d / new Vector<float>(beta), L1.Slope(d, beta));
}
