using System.Numerics;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Kernels.Elementwise;

/// GELU, exact:  y = x·Φ(x), Φ(x) = (1 + erf(x/√2))/2.   Backward:  dx = dy·(Φ(x) + x·φ(x)), φ(x) = e^(−x²/2)/√(2π).
public readonly struct Gelu : IUnary
{
    const float RootHalf = 0.707106781f, InverseRootTwoPi = 0.398942280f;

    public static double Define(double x) => x * (1 + FloatMath.Erf(x / Math.Sqrt(2))) / 2;

    public static double DefineSlope(double x) =>
        ((1 + FloatMath.Erf(x / Math.Sqrt(2))) / 2) + (x * Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI));

    public static float Forward(float x) => x * Normal(x);

    public static float Backward(float x, float dy) => dy * (Normal(x) + (x * InverseRootTwoPi * MathF.Exp(-0.5f * x * x)));

    public static Vector<float> Forward(Vector<float> x) => x * Normal(x);

    public static Vector<float> Backward(Vector<float> x, Vector<float> dy) => Backward(x, dy, Normal(x));

    /// The same where Φ(x) is already known.
    internal static Vector<float> Backward(Vector<float> x, Vector<float> dy, Vector<float> normal) =>
        dy * (normal + (x * InverseRootTwoPi * FloatMath.Exp(x * x * -0.5f)));

    static float Normal(float x) => 0.5f + (0.5f * FloatMath.Erf(x * RootHalf));

    /// Φ(x).
    internal static Vector<float> Normal(Vector<float> x) => new Vector<float>(0.5f) + (FloatMath.Erf(x * RootHalf) * 0.5f);
}
