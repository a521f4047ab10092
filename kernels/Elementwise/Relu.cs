using System.Numerics;

namespace IlgpuDiffusion.Kernels.Elementwise;

/// ReLU:  y = max(x, 0), with NaN kept.   Backward:  dx = dy where x &gt; 0, else 0.
public readonly struct Relu : IUnary
{
    public static double Define(double x) => x > 0 ? x : x * 0;

    public static double DefineSlope(double x) => x > 0 ? 1 : 0;

    public static float Forward(float x) => x <= 0 ? 0 : x;

    public static float Backward(float x, float dy) => x > 0 ? dy : 0;

    public static Vector<float> Forward(Vector<float> x) =>
        Vector.ConditionalSelect(Vector.LessThanOrEqual(x, Vector<float>.Zero), Vector<float>.Zero, x);

    public static Vector<float> Backward(Vector<float> x, Vector<float> dy) =>
        Vector.ConditionalSelect(Vector.GreaterThan(x, Vector<float>.Zero), dy, Vector<float>.Zero);
}
