using System.Numerics;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Kernels.Elementwise;

/// Sigmoid:  y = σ(x) = 1/(1 + e⁻ˣ).   Backward:  dx = dy·y·(1 − y).
public readonly struct Sigmoid : IUnary
{
    public static double Define(double x) => 1 / (1 + Math.Exp(-x));

    public static double DefineSlope(double x) => Define(x) * Define(-x);

    public static float Forward(float x) => FloatMath.Sigmoid(x);

    public static float Backward(float x, float dy)
    {
        float s = FloatMath.Sigmoid(x);
        return dy * s * (1 - s);
    }

    public static Vector<float> Forward(Vector<float> x) => FloatMath.Sigmoid(x);

    public static Vector<float> Backward(Vector<float> x, Vector<float> dy)
    {
        Vector<float> s = FloatMath.Sigmoid(x);
        return dy * s * (Vector<float>.One - s);
    }
}
