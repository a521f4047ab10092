using System.Numerics;
using System.Runtime.CompilerServices;

namespace IlgpuDiffusion.Kernels.Common;

/// Functions that .NET or ILGPU lack, or have too slow (vector exp) or too coarse (tanh on PTX has 11 bits). The scalar forms compile for
/// every ILGPU backend; the vector forms are the same formulas. The rational forms were fitted by us: minimax of the relative error in
/// 40 digits, then rounded; the errors named are of the float32 evaluation, in units of 2⁻²⁴.
public static class FloatMath
{
    // erf(x) = x·P(x²)/Q(x²) on ±3.92, beyond which erf is ±1 in float32; at most 4.4 units off.
    const float ErfEnd = 3.92f;
    const float ErfP0 = 1.12837911f, ErfP1 = 0.190367371f, ErfP2 = 0.0527435951f, ErfP3 = 0.00376394833f, ErfP4 = 0.000284846756f, ErfP5 = 2.05041056e-06f;
    const float ErfQ1 = 0.502041459f, ErfQ2 = 0.114092983f, ErfQ3 = 0.0149658807f, ErfQ4 = 0.00116213341f, ErfQ5 = 3.80931779e-05f;

    // tanh(x) = x·P(x²)/Q(x²) on ±9; at most 4.4 units off.
    const float TanhEnd = 9;
    const float TanhP1 = 0.136809289f, TanhP2 = 0.00386959757f, TanhP3 = 2.80330478e-05f, TanhP4 = 3.06464116e-08f, TanhP5 = -1.22488651e-11f;
    const float TanhQ1 = 0.470142603f, TanhQ2 = 0.0272504874f, TanhQ3 = 0.000394086877f, TanhQ4 = 1.28915258e-06f;

    public static float Erf(float x)
    {
        x = Clamp(x, ErfEnd);
        float u = x * x;
        float p = ((((((((((ErfP5 * u) + ErfP4) * u) + ErfP3) * u) + ErfP2) * u) + ErfP1) * u) + ErfP0) * x;
        float q = (((((((((ErfQ5 * u) + ErfQ4) * u) + ErfQ3) * u) + ErfQ2) * u) + ErfQ1) * u) + 1;
        return Clamp(p / q, 1);
    }

    public static float Tanh(float x)
    {
        x = Clamp(x, TanhEnd);
        float u = x * x;
        float p = ((((((((((TanhP5 * u) + TanhP4) * u) + TanhP3) * u) + TanhP2) * u) + TanhP1) * u) + 1) * x;
        float q = (((((((TanhQ4 * u) + TanhQ3) * u) + TanhQ2) * u) + TanhQ1) * u) + 1;
        return Clamp(p / q, 1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Erf(Vector<float> x)
    {
        x = Clamp(x, ErfEnd);
        Vector<float> u = x * x;
        Vector<float> p = Fma(Fma(Fma(Fma(Fma(new(ErfP5), u, ErfP4), u, ErfP3), u, ErfP2), u, ErfP1), u, ErfP0) * x;
        Vector<float> q = Fma(Fma(Fma(Fma(Fma(new(ErfQ5), u, ErfQ4), u, ErfQ3), u, ErfQ2), u, ErfQ1), u, 1);
        return Clamp(p / q, 1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Tanh(Vector<float> x)
    {
        x = Clamp(x, TanhEnd);
        Vector<float> u = x * x;
        Vector<float> p = Fma(Fma(Fma(Fma(Fma(new(TanhP5), u, TanhP4), u, TanhP3), u, TanhP2), u, TanhP1), u, 1) * x;
        Vector<float> q = Fma(Fma(Fma(Fma(new(TanhQ4), u, TanhQ3), u, TanhQ2), u, TanhQ1), u, 1);
        return Clamp(p / q, 1);
    }

    /// eˣ = 2ⁿ·eʳ with |r| ≤ ln 2 / 2 and the series of eʳ to r⁷ (error below a tenth of a unit). 2ⁿ is applied in two halves, so that
    /// results run down to the denormals and up to infinity.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Exp(Vector<float> x)
    {
        // The order of the arguments keeps a NaN in x.
        x = Vector.MinNative(new(100f), Vector.MaxNative(new(-110f), x));
        Vector<float> n = Vector.Round(x * 1.44269504f);
        // ln 2 in two parts, the first short enough for n times it to be exact.
        Vector<float> r = Vector.MultiplyAddEstimate(n, new(-0.693359375f), x);
        r = Vector.MultiplyAddEstimate(n, new(2.12194440e-4f), r);
        Vector<float> e = Fma(Fma(Fma(new(1f / 5040), r, 1f / 720), r, 1f / 120), r, 1f / 24);
        e = Fma(Fma(Fma(Fma(e, r, 1f / 6), r, 0.5f), r, 1), r, 1);
        Vector<int> whole = Vector.ConvertToInt32Native(n), half = Vector.ShiftRightArithmetic(whole, 1);
        return e * PowerOfTwo(half) * PowerOfTwo(whole - half);
    }

    /// σ(x) = 1 / (1 + e⁻ˣ).
    public static float Sigmoid(float x) => 1 / (1 + MathF.Exp(-x));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Sigmoid(Vector<float> x) => Vector<float>.One / (Vector<float>.One + Exp(-x));

    /// erf in double for references: e^(−x²)·2/√π·Σ 2ⁿx²ⁿ⁺¹/(2n+1)!!, whose terms are all of one sign.
    public static double Erf(double x)
    {
        if (double.IsNaN(x) || Math.Abs(x) > 6)
            return double.IsNaN(x) ? x : Math.Sign(x);
        double term = x, sum = x;
        for (int n = 1; Math.Abs(term) > 1e-17 * Math.Abs(sum); n++)
            sum += term *= 2 * x * x / ((2 * n) + 1);
        return sum * Math.Exp(-x * x) * 2 / Math.Sqrt(Math.PI);
    }

    // Min and max lose a NaN on PTX, and in OpenCL C ILGPU turns `x > end` into `!(x <= end)`, which a NaN passes.
    static float Clamp(float x, float end)
    {
        if (float.IsNaN(x))
            return x;
        if (x > end)
            return end;
        return x < -end ? -end : x;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector<float> Clamp(Vector<float> x, float end) => Vector.MinNative(new(end), Vector.MaxNative(new(-end), x));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector<float> Fma(Vector<float> a, Vector<float> b, float c) => Vector.MultiplyAddEstimate(a, b, new(c));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector<float> PowerOfTwo(Vector<int> n) => Vector.AsVectorSingle(Vector.ShiftLeft(n + new Vector<int>(127), 23));
}
