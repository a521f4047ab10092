using System.Numerics;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Kernels.Elementwise;

/// y = eˣ.   Backward:  dx = dy·eˣ.
public readonly struct Exp : IUnary
{
    public static double Define(double x) => Math.Exp(x);

    public static double DefineSlope(double x) => Math.Exp(x);

    public static float Forward(float x) => MathF.Exp(x);

    public static float Backward(float x, float dy) => dy * MathF.Exp(x);

    public static Vector<float> Forward(Vector<float> x) => FloatMath.Exp(x);

    public static Vector<float> Backward(Vector<float> x, Vector<float> dy) => dy * FloatMath.Exp(x);
}
