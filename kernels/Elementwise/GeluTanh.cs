using System.Numerics;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Kernels.Elementwise;

/// GELU by tanh:  y = x·(1 + tanh u)/2 = x·σ(2u), u = √(2/π)·(x + 0.044715 x³).
/// Backward, with s = σ(2u):  dx = dy·s·(1 + x·(1 − s)·2u′), 2u′ = 2√(2/π)·(1 + 3·0.044715 x²). Through σ nothing cancels at large |x|.
public readonly struct GeluTanh : IUnary
{
    const float Twice = 1.59576912f, Cubic = 0.0713548163f;   // 2√(2/π), and that times 0.044715

    public static double Define(double x) => x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)))) / 2;

    public static double DefineSlope(double x)
    {
        double t = Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)));
        return ((1 + t) / 2) + (x * (1 - (t * t)) / 2 * Math.Sqrt(2 / Math.PI) * (1 + (3 * 0.044715 * x * x)));
    }

    public static float Forward(float x) => x * FloatMath.Sigmoid(x * (Twice + (Cubic * x * x)));

    public static float Backward(float x, float dy)
    {
        float s = FloatMath.Sigmoid(x * (Twice + (Cubic * x * x)));
        return dy * s * (1 + (x * (1 - s) * (Twice + (3 * Cubic * x * x))));
    }

    public static Vector<float> Forward(Vector<float> x) => x * FloatMath.Sigmoid(x * (new Vector<float>(Twice) + (x * x * Cubic)));

    public static Vector<float> Backward(Vector<float> x, Vector<float> dy)
    {
        Vector<float> one = Vector<float>.One, square = x * x;
        Vector<float> s = FloatMath.Sigmoid(x * (new Vector<float>(Twice) + (square * Cubic)));
        return dy * s * (one + (x * (one - s) * (new Vector<float>(Twice) + (square * (3 * Cubic)))));
    }
}
