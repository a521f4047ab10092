using System.Numerics;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Kernels.Elementwise;

/// y = tanh(x).   Backward:  dx = dy·(1 − tanh² x) = dy·4e/(1 + e)², e = e^(−2|x|): without the cancellation of 1 − y².
public readonly struct Tanh : IUnary
{
    public static double Define(double x) => Math.Tanh(x);

    public static double DefineSlope(double x) => 1 / (Math.Cosh(x) * Math.Cosh(x));

    public static float Forward(float x) => FloatMath.Tanh(x);

    public static float Backward(float x, float dy)
    {
        float e = MathF.Exp(-2 * MathF.Abs(x));
        return dy * 4 * e / ((1 + e) * (1 + e));
    }

    public static Vector<float> Forward(Vector<float> x) => FloatMath.Tanh(x);

    public static Vector<float> Backward(Vector<float> x, Vector<float> dy)
    {
        Vector<float> e = FloatMath.Exp(Vector.Abs(x) * -2f), sum = Vector<float>.One + e;
        return dy * 4f * e / (sum * sum);
    }
}
