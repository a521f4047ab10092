using System.Numerics;

namespace IlgpuDiffusion.Kernels.Loss;

/// f(d) = d²,  f′(d) = 2d.
public readonly struct Mse : IPointwiseLoss
{
    public static double Define(double d, double beta) => d * d;

    public static double DefineSlope(double d, double beta) => 2 * d;

    public static float Value(float d, float beta) => d * d;

    public static float Slope(float d, float beta) => 2 * d;

    public static Vector<float> Value(Vector<float> d, float beta) => d * d;

    public static Vector<float> Slope(Vector<float> d, float beta) => d + d;
}
