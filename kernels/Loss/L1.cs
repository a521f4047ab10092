using System.Numerics;

namespace IlgpuDiffusion.Kernels.Loss;

/// f(d) = |d|,  f′(d) = sign(d), 0 at 0.
public readonly struct L1 : IPointwiseLoss
{
    public static double Define(double d, double beta) => Math.Abs(d);

    public static double DefineSlope(double d, double beta) => d > 0 ? 1 : d < 0 ? -1 : 0;

    public static float Value(float d, float beta) => MathF.Abs(d);

    public static float Slope(float d, float beta)
    {
        if (d > 0)
            return 1;
        return d < 0 ? -1 : 0;
    }

    public static Vector<float> Value(Vector<float> d, float beta) => Vector.Abs(d);

    public static Vector<float> Slope(Vector<float> d, float beta)
    {
        Vector<float> zero = Vector<float>.Zero, one = Vector<float>.One;
        return Vector.ConditionalSelect(Vector.GreaterThan(d, zero), one, Vector.ConditionalSelect(Vector.LessThan(d, zero), -one, zero));
    }
}
