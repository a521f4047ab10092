using IlgpuDiffusion.Nn;

namespace IlgpuDiffusion.Tests.Nn;

public class WeightsInitTests(Devices devices) : DeviceTest(devices)
{
    [Fact]
    public void Each_parameter_starts_as_torch_would_start_it()
    {
        Arena("cpu");
        using Weights weights = Made(w =>
        {
            w.Get("linear", [64, 100]);
            w.Get("bias", [64], fanIn: 100);
            w.Get("conv", [32, 16, 3, 3], layout: Layout.ConvWeight);
            w.Get("scale", [8], Init.Ones);
            w.Get("shift", [8], Init.Zeros);
            w.Get("table", [100, 40], Init.Embedding);
        }, 7);
        Uniform("linear", 1 / Math.Sqrt(100));
        Uniform("bias", 1 / Math.Sqrt(100));
        Uniform("conv", 1 / Math.Sqrt(16 * 9));
        Assert.All(Values(weights, "scale"), v => Assert.Equal(1, v));
        Assert.All(Values(weights, "shift"), v => Assert.Equal(0, v));
        Assert.InRange(Math.Sqrt(Values(weights, "table").Average(v => (double)v * v)), 0.019, 0.021);

        void Uniform(string name, double bound)
        {
            float[] values = Values(weights, name);
            Assert.All(values, v => Assert.InRange(v, -bound, bound));
            // A uniform's standard deviation is bound / √3.
            Assert.InRange(Math.Sqrt(values.Average(v => (double)v * v)) * Math.Sqrt(3) / bound, 0.8, 1.2);
        }
    }

    [Fact]
    public void A_parameters_values_depend_on_seed_and_name_alone()
    {
        Arena("cpu");
        using Weights one = Made(w => w.Get("b", [50]), 1), other = Made(w => { w.Get("a", [50]); w.Get("b", [50]); }, 1), third = Made(w => w.Get("b", [50]), 2);
        Assert.Equal(Values(one, "b"), Values(other, "b"));
        Assert.NotEqual(Values(one, "b"), Values(third, "b"));
        Assert.NotEqual(Values(other, "a"), Values(other, "b"));
    }

    Weights Made(Action<WeightScope> declare, ulong seed)
    {
        Weights weights = new();
        declare(weights.Root);
        weights.Allocate(Device("cpu"), "test");
        weights.Initialize(seed);
        return weights;
    }

    static float[] Values(Weights weights, string name) => weights[name].Value.ToArray();
}
