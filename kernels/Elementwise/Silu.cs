using System.Numerics;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Kernels.Elementwise;

/// SiLU:  y = x·σ(x).   Backward:  dx = dy·σ(x)·(1 + x·(1 − σ(x))).
public readonly struct Silu : IUnary
{
    public static double Define(double x) => x / (1 + Math.Exp(-x));

    public static double DefineSlope(double x)
    {
        double s = 1 / (1 + Math.Exp(-x));
        return s * (1 + (x * (1 - s)));
    }

    public static float Forward(float x) => x * FloatMath.Sigmoid(x);

    public static float Backward(float x, float dy)
    {
        float s = FloatMath.Sigmoid(x);
        return dy * s * (1 + (x * (1 - s)));
    }

    public static Vector<float> Forward(Vector<float> x) => x * FloatMath.Sigmoid(x);

    public static Vector<float> Backward(Vector<float> x, Vector<float> dy)
    {
        Vector<float> s = FloatMath.Sigmoid(x);
        return dy * s * (Vector<float>.One + (x * (Vector<float>.One - s)));
    }
}
