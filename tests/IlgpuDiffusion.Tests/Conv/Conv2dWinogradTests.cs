using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Conv;
using IlgpuDiffusion.Kernels.MatMul.Cpu;

namespace IlgpuDiffusion.Tests;

public sealed class Conv2dWinogradTests(KernelDevices devices) : IClassFixture<KernelDevices>
{
    // Of the largest value, uniform numbers. Measured over these shapes and the three instruction sets, worst of y, dx and dw: F2 5.0e-7, F4 2.1e-6 (the
    // direct kernels 8.9e-7, their own tolerance is 2e-6). Other processors fuse and order a little differently: three to four times that.
    const double F2Tolerance = 2e-6, F4Tolerance = 6e-6;

    // Fewer channels than a vector, tails of every width, several chunks of input channels; images of one tile, of one row, with tiles that stick out;
    // padding on no side, on some, and wider than the filter; blocks of tiles that begin and end inside a sample.
    static readonly Conv2dShape[] Cases =
    [
        new(2, 5, 7, 3, 4, 3, 3, 1, 1, 1, 1, 1),
        new(1, 1, 1, 3, 2, 3, 3, 1, 1, 1, 1, 1),
        new(1, 1, 13, 20, 17, 3, 3, 1, 1, 1, 1, 1),
        new(1, 5, 4, 16, 33, 3, 3, 1, 0, 0, 0, 0),
        new(2, 7, 9, 19, 16, 3, 3, 1, 0, 1, 2, 0),
        new(1, 3, 2, 17, 18, 3, 3, 1, 4, 3, 2, 4),
        new(30, 8, 8, 24, 40, 3, 3, 1, 1, 1, 1, 1),
        new(3, 23, 22, 31, 45, 3, 3, 1, 1, 1, 1, 1),
        new(1, 9, 8, 150, 33, 3, 3, 1, 1, 1, 1, 1),
        new(1, 41, 42, 330, 24, 3, 3, 1, 1, 1, 1, 1),
        new(1, 6, 6, 32, 200, 3, 3, 1, 1, 1, 1, 1),
    ];

    public static TheoryData<Conv2dShape, ConvAlgorithm> Shapes
    {
        get
        {
            TheoryData<Conv2dShape, ConvAlgorithm> data = [];
            foreach (Conv2dShape s in Cases)
            {
                data.Add(s, ConvAlgorithm.F2);
                data.Add(s, ConvAlgorithm.F4);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Forward_matches_the_reference(Conv2dShape s, ConvAlgorithm algorithm)
    {
        float[] x = KernelDevices.Numbers(s.InputCount, 1), w = KernelDevices.Numbers(s.WeightCount, 2), bias = KernelDevices.Numbers(s.O, 3);
        foreach (float[] b in new[] { bias, [] })
        {
            float[] expected = new float[s.OutputCount];
            Conv2d.Reference.Forward(x, w, b, expected, s);
            foreach (CpuIsa isa in Enum.GetValues<CpuIsa>())
            {
                Check([x, w, b], expected, Sevens(s.OutputCount), algorithm, $"{isa} y", v =>
                    Conv2d.ForwardWinograd(devices.CpuTwo.Cpu!, v[0], v[1], v[2], v[3], s, default, algorithm, isa));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Gradient_of_the_input_matches_the_reference_and_overwrites(Conv2dShape s, ConvAlgorithm algorithm)
    {
        float[] dy = KernelDevices.Numbers(s.OutputCount, 1), w = KernelDevices.Numbers(s.WeightCount, 2);
        float[] expected = new float[s.InputCount];
        Conv2d.Reference.BackwardInput(dy, w, expected, s);
        foreach (CpuIsa isa in Enum.GetValues<CpuIsa>())
        {
            Check([dy, w], expected, Sevens(s.InputCount), algorithm, $"{isa} dx", v =>
                Conv2d.BackwardInputWinograd(devices.CpuTwo.Cpu!, v[0], v[1], v[2], s, default, algorithm, isa));
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Gradient_of_the_weight_matches_the_reference_and_adds(Conv2dShape s, ConvAlgorithm algorithm)
    {
        float[] x = KernelDevices.Numbers(s.InputCount, 1), dy = KernelDevices.Numbers(s.OutputCount, 2);
        float[] expected = Sevens(s.WeightCount);
        Conv2d.Reference.BackwardWeight(x, dy, expected, s);
        foreach (CpuIsa isa in Enum.GetValues<CpuIsa>())
        {
            Check([x, dy], expected, Sevens(s.WeightCount), algorithm, $"{isa} dw", v =>
                Conv2d.BackwardWeightWinograd(devices.CpuTwo.Cpu!, v[0], v[1], v[2], s, algorithm, isa));
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void A_residual_is_added_and_not_written_to(Conv2dShape s, ConvAlgorithm algorithm)
    {
        KernelContext k = new(devices.CpuTwo.Accelerator, devices.CpuTwo.Cpu, conv: algorithm);
        float[] x = KernelDevices.Numbers(s.InputCount, 1), w = KernelDevices.Numbers(s.WeightCount, 2), bias = KernelDevices.Numbers(s.O, 3);
        float[] residual = KernelDevices.Numbers(s.OutputCount, 4), before = [.. residual], expected = new float[s.OutputCount];
        Conv2d.Reference.Forward(x, w, bias, expected, s, residual);
        Check([x, w, bias, residual], expected, Sevens(s.OutputCount), algorithm, "y", v => Conv2d.Forward(k, v[0], v[1], v[2], v[4], s, default, v[3]));
        Assert.Equal(before, residual);
    }

    /// The filter kept from an earlier call gives the bits of one that is transformed anew; a view of another length is refused.
    [Theory]
    [InlineData(ConvAlgorithm.F2)]
    [InlineData(ConvAlgorithm.F4)]
    public void A_kept_filter_changes_no_bit(ConvAlgorithm algorithm)
    {
        Conv2dShape s = new(2, 8, 8, 150, 40, 3, 3, 1, 1, 1, 1, 1);
        KernelContext k = new(devices.Cpu.Accelerator, devices.Cpu.Cpu, conv: algorithm);
        float[] x = KernelDevices.Numbers(s.InputCount, 1), w = KernelDevices.Numbers(s.WeightCount, 2);
        float[] y = new float[s.OutputCount], again = new float[s.OutputCount], dx = new float[s.InputCount], dxAgain = new float[s.InputCount];
        float[] kept = new float[Conv2d.KeptLength(k, s)], keptInput = new float[Conv2d.KeptInputLength(k, s)];
        Assert.NotEmpty(kept);
        Assert.NotEmpty(keptInput);
        devices.Run([x, w, y, again, dx, dxAgain, kept, keptInput], v =>
        {
            Conv2d.Forward(k, v[0], v[1], ArrayView<float>.Empty, v[2], s);
            Conv2d.BackwardInput(k, v[2], v[1], v[4], s);
            for (int i = 0; i < 2; i++)
            {
                Conv2d.Forward(k, v[0], v[1], ArrayView<float>.Empty, v[3], s, new KeptFilter(v[6], Fresh: i == 0));
                Conv2d.BackwardInput(k, v[2], v[1], v[5], s, new KeptFilter(v[7], Fresh: i == 0));
            }

            Assert.Throws<ArgumentException>(() => Conv2d.Forward(k, v[0], v[1], ArrayView<float>.Empty, v[3], s, new KeptFilter(v[0], Fresh: true)));
        });
        Assert.Equal(y, again);
        Assert.Equal(dx, dxAgain);
    }

    [Theory]
    [InlineData(ConvAlgorithm.F2)]
    [InlineData(ConvAlgorithm.F4)]
    public void One_and_two_threads_give_the_same_bits(ConvAlgorithm algorithm)
    {
        foreach (Conv2dShape s in new Conv2dShape[] { new(2, 24, 24, 32, 48, 3, 3, 1, 1, 1, 1, 1), new(20, 16, 16, 64, 64, 3, 3, 1, 1, 1, 1, 1), new(4, 8, 8, 96, 160, 3, 3, 1, 1, 1, 1, 1) })
        {
            float[] x = KernelDevices.Numbers(s.InputCount, 1), w = KernelDevices.Numbers(s.WeightCount, 2), dy = KernelDevices.Numbers(s.OutputCount, 3);
            float[][] one = Results(devices.Cpu), two = Results(devices.CpuTwo);
            for (int i = 0; i < one.Length; i++)
                Assert.Equal(one[i], two[i]);

            float[][] Results(KernelContext on)
            {
                KernelContext k = new(on.Accelerator, on.Cpu, conv: algorithm);
                float[] y = new float[s.OutputCount], dx = new float[s.InputCount], dw = new float[s.WeightCount];
                devices.Run([x, w, dy, y, dx, dw], v =>
                {
                    Conv2d.Forward(k, v[0], v[1], ArrayView<float>.Empty, v[3], s);
                    Conv2d.BackwardInput(k, v[2], v[1], v[4], s);
                    Conv2d.BackwardWeight(k, v[0], v[2], v[5], s);
                });
                return [y, dx, dw];
            }
        }
    }

    [Fact]
    public void The_algorithm_is_the_allowed_one_that_multiplies_least()
    {
        Conv2dShape s = new(1, 8, 8, 64, 64, 3, 3, 1, 1, 1, 1, 1);
        Assert.Equal(ConvAlgorithm.F4, Conv2d.Choose(s, ConvAlgorithm.F4));
        Assert.Equal(ConvAlgorithm.F2, Conv2d.Choose(s, ConvAlgorithm.F2));
        Assert.Equal(ConvAlgorithm.Direct, Conv2d.Choose(s, ConvAlgorithm.Direct));
        Assert.Equal(ConvAlgorithm.F2, Conv2d.Choose(s with { H = 2, W = 2 }, ConvAlgorithm.F4));
        Assert.Equal(ConvAlgorithm.Direct, Conv2d.Choose(s with { H = 1, W = 1 }, ConvAlgorithm.F4));
        Assert.Equal(ConvAlgorithm.Direct, Conv2d.Choose(s with { Stride = 2 }, ConvAlgorithm.F4));
        Assert.Equal(ConvAlgorithm.Direct, Conv2d.Choose(s with { Kh = 1, Kw = 1 }, ConvAlgorithm.F4));
        Assert.Equal(ConvAlgorithm.Direct, Conv2d.Choose(s with { C = 4 }, ConvAlgorithm.F4));
    }

    /// What Winograd.md says of the error, against sums in double: F(2×2) no worse than twice the direct kernel's (1.4 measured), F(4×4) no worse than six
    /// times (4.0 measured).
    [Theory]
    [InlineData(ConvAlgorithm.F2, 2)]
    [InlineData(ConvAlgorithm.F4, 6)]
    public void Error_stays_near_that_of_the_direct_sum(ConvAlgorithm algorithm, double times)
    {
        Conv2dShape s = new(1, 16, 16, 320, 32, 3, 3, 1, 1, 1, 1, 1);
        float[] x = KernelDevices.Numbers(s.InputCount, 1), w = KernelDevices.Numbers(s.WeightCount, 2), y = new float[s.OutputCount], direct = new float[s.OutputCount];
        float[] expected = new float[s.OutputCount];
        Conv2d.Reference.Forward(x, w, [], expected, s);
        devices.Run([x, w, y], v => Conv2d.Forward(new KernelContext(devices.Cpu.Accelerator, devices.Cpu.Cpu, conv: algorithm), v[0], v[1], ArrayView<float>.Empty, v[2], s));
        devices.Run([x, w, direct], v => Conv2d.Forward(devices.Cpu, v[0], v[1], ArrayView<float>.Empty, v[2], s));
        double winograd = RootMeanSquare(y, expected), plain = RootMeanSquare(direct, expected);
        Assert.True(winograd <= times * plain, $"{algorithm}: rms error {winograd:E2}, {winograd / plain:0.00} times the direct kernel's {plain:E2}");
        Assert.NotEqual(direct, y);
    }

    static double RootMeanSquare(float[] a, float[] b) => Math.Sqrt(a.Zip(b, (p, q) => ((double)p - q) * ((double)p - q)).Average());

    static float[] Sevens(int n)
    {
        float[] x = new float[n];
        Array.Fill(x, 7);
        return x;
    }

    void Check(float[][] inputs, float[] expected, float[] actual, ConvAlgorithm algorithm, string what, Action<ArrayView<float>[]> kernel)
    {
        devices.Run([.. inputs, actual], kernel);
        KernelDevices.AssertClose(expected, actual, algorithm == ConvAlgorithm.F2 ? F2Tolerance : F4Tolerance, what);
    }
}
