using System.Numerics;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Tests.Common;

public class FloatMathTests
{
    const double Unit = 1.0 / (1 << 24);

    static IEnumerable<float> Points(float end)
    {
        for (int i = -4000; i <= 4000; i++)
            yield return end * i / 4000;
        for (float x = 1e-30f; x < end; x *= 1.7f)
            yield return x;
    }

    [Fact]
    public void Erf_is_within_five_units_relative()
    {
        foreach (float x in Points(6))
            Check(FloatMath.Erf(x), FloatMath.Erf(new Vector<float>(x))[0], FloatMath.Erf((double)x), 5, x);
    }

    [Fact]
    public void Tanh_is_within_five_units_relative()
    {
        foreach (float x in Points(12))
            Check(FloatMath.Tanh(x), FloatMath.Tanh(new Vector<float>(x))[0], Math.Tanh(x), 5, x);
    }

    /// ILanes.Exp promises 2e-7.
    [Fact]
    public unsafe void Sixteen_lanes_have_exp_sigmoid_and_silu()
    {
        float* lanes = stackalloc float[Wide512.Count];
        foreach (float x in Points(87))
        {
            Wide512.Exp(Wide512.All(x)).Store(lanes);
            Assert.True(Math.Abs(lanes[15] - Math.Exp(x)) <= 2e-7 * Math.Exp(x), $"exp({x:R}) = {lanes[15]:R}");
            Wide512.Sigmoid(Wide512.All(x)).Store(lanes);
            double sigmoid = 1 / (1 + Math.Exp(-x));
            Assert.True(Math.Abs(lanes[15] - sigmoid) <= 3e-7 * sigmoid, $"sigmoid({x:R}) = {lanes[15]:R}");
            Wide512.Silu(Wide512.All(x)).Store(lanes);
            Assert.True(Math.Abs(lanes[15] - (x * sigmoid)) <= (3e-7 * Math.Abs(x * sigmoid)) + float.Epsilon, $"silu({x:R}) = {lanes[15]:R}");
        }

        Wide512.Exp(Wide512.All(float.NegativeInfinity)).Store(lanes);
        Assert.Equal(0, lanes[0]);
        Wide512.Sigmoid(Wide512.All(float.NegativeInfinity)).Store(lanes);
        Assert.InRange(lanes[0], 0, 1e-38f);
        Wide512.Sigmoid(Wide512.All(float.PositiveInfinity)).Store(lanes);
        Assert.Equal(1, lanes[0]);
        Wide512.Silu(Wide512.All(float.PositiveInfinity)).Store(lanes);
        Assert.Equal(float.PositiveInfinity, lanes[0]);
        Wide512.Exp(Wide512.All(float.NaN)).Store(lanes);
        Assert.Equal(float.NaN, lanes[0]);
        Wide512.Sigmoid(Wide512.All(float.NaN)).Store(lanes);
        Assert.Equal(float.NaN, lanes[0]);
        Wide512.Silu(Wide512.All(float.NaN)).Store(lanes);
        Assert.Equal(float.NaN, lanes[0]);
    }

    [Fact]
    public void Exp_is_within_three_units_relative()
    {
        foreach (float x in Points(87))
            Check(MathF.Exp(x), FloatMath.Exp(new Vector<float>(x))[0], Math.Exp(x), 3, x);
    }

    [Theory]
    [InlineData(0.5, 0.520499877813046538)]
    [InlineData(1, 0.842700792949714869)]
    [InlineData(-2, -0.995322265018952734)]
    [InlineData(4, 0.999999984582742100)]
    public void Erf_in_double_has_the_digits_of_tables(double x, double erf) => Assert.Equal(erf, FloatMath.Erf(x), 1e-15);

    static void Check(float scalar, float vector, double expected, double units, float x)
    {
        double allowed = units * Unit * Math.Abs(expected);
        Assert.True(Math.Abs(scalar - expected) <= allowed, $"scalar at {x}: {scalar}, expected {expected}");
        Assert.True(Math.Abs(vector - expected) <= allowed, $"vector at {x}: {vector}, expected {expected}");
    }
}
