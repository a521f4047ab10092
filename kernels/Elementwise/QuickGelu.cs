using System.Numerics;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Kernels.Elementwise;

/// CLIP's GELU:  y = x·σ(1.702 x).   Backward, with s = σ(1.702 x):  dx = dy·s·(1 + 1.702 x·(1 − s)).
public readonly struct QuickGelu : IUnary
{
    const float Slope = 1.702f;

    public static double Define(double x) => x / (1 + Math.Exp(-1.702 * x));

    public static double DefineSlope(double x)
    {
        double s = 1 / (1 + Math.Exp(-1.702 * x));
        return s * (1 + (1.702 * x * (1 - s)));
    }

    public static float Forward(float x) => x * FloatMath.Sigmoid(Slope * x);

    public static float Backward(float x, float dy)
    {
        float s = FloatMath.Sigmoid(Slope * x);
        return dy * s * (1 + (Slope * x * (1 - s)));
    }

    public static Vector<float> Forward(Vector<float> x) => x * FloatMath.Sigmoid(x * Slope);

    public static Vector<float> Backward(Vector<float> x, Vector<float> dy)
    {
        Vector<float> s = FloatMath.Sigmoid(x * Slope);
        return dy * s * (Vector<float>.One + (x * Slope * (Vector<float>.One - s)));
    }
}
