using ILGPU;
using IlgpuDiffusion.Kernels.Conv;

namespace IlgpuDiffusion.Tests;

/// The tensor-core convolution's text on `ptx-sim`, forward and backward. Never run on a GPU.
public sealed class Conv2dTensorCoreTests(KernelDevices devices) : IClassFixture<KernelDevices>
{
    // As for the product: only the F32 sums round.
    const double Tolerance = 1e-6;

    // One pixel, odd sizes with uneven padding, stride 2 that misses the last row, a filter larger than the image, 1×1, several samples and a sum long enough to be split.
    public static TheoryData<Conv2dShape> Shapes =>
    [
        new Conv2dShape(1, 1, 1, 8, 8, 3, 3, 1, 1, 1, 1, 1),
        new Conv2dShape(2, 5, 7, 16, 24, 3, 3, 1, 1, 1, 1, 1),
        new Conv2dShape(1, 6, 9, 8, 16, 3, 3, 2, 0, 1, 0, 1),
        new Conv2dShape(1, 3, 2, 8, 8, 5, 6, 1, 4, 3, 2, 4),
        new Conv2dShape(3, 3, 3, 40, 8, 1, 1, 1, 0, 0, 0, 0),
        new Conv2dShape(2, 16, 17, 64, 8, 3, 3, 1, 1, 1, 1, 1),
    ];

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Forward_matches_the_reference(Conv2dShape s)
    {
        (ushort[] xBits, float[] x) = KernelDevices.Halves(s.InputCount, 1);
        (ushort[] wBits, float[] w) = KernelDevices.Halves(s.WeightCount, 2);
        float[] bias = KernelDevices.Numbers(s.O, 3), expected = new float[s.OutputCount], actual = new float[s.OutputCount];
        Conv2d.Reference.Forward(x, w, bias, expected, s);
        devices.Run([xBits, wBits], [bias, Scratch(s), actual], (h, v) => Conv2d.ForwardTensorCore(devices.Ptx, h[0], h[1], v[0], v[1], v[2], s));
        KernelDevices.AssertClose(expected, actual, Tolerance, "y");
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Gradient_of_the_input_matches_the_reference(Conv2dShape s)
    {
        (ushort[] dyBits, float[] dy) = KernelDevices.Halves(s.OutputCount, 1);
        (ushort[] wBits, float[] w) = KernelDevices.Halves(s.WeightCount, 2);
        float[] expected = new float[s.InputCount], actual = new float[s.InputCount];
        Conv2d.Reference.BackwardInput(dy, w, expected, s);
        devices.Run([dyBits, wBits], [Scratch(s), actual], (h, v) => Conv2d.BackwardInputTensorCore(devices.Ptx, h[0], h[1], v[0], v[1], s));
        KernelDevices.AssertClose(expected, actual, Tolerance, "dx");
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Gradient_of_the_weight_matches_the_reference_and_adds(Conv2dShape s)
    {
        (ushort[] xBits, float[] x) = KernelDevices.Halves(s.InputCount, 1);
        (ushort[] dyBits, float[] dy) = KernelDevices.Halves(s.OutputCount, 2);
        float[] expected = KernelDevices.Numbers(s.WeightCount, 3), actual = [.. expected];
        Conv2d.Reference.BackwardWeight(x, dy, expected, s);
        devices.Run([xBits, dyBits], [Scratch(s), actual], (h, v) => Conv2d.BackwardWeightTensorCore(devices.Ptx, h[0], h[1], v[0], v[1], s));
        KernelDevices.AssertClose(expected, actual, Tolerance, "dw");
    }

    [Fact]
    public void Channels_that_eight_does_not_divide_are_refused()
    {
        Conv2dShape s = new(1, 4, 4, 4, 8, 3, 3, 1, 1, 1, 1, 1);
        ArgumentException e = Assert.Throws<ArgumentException>(() => devices.Run(
            [new ushort[s.InputCount], new ushort[s.WeightCount]],
            [new float[s.OutputCount]],
            (h, v) => Conv2d.ForwardTensorCore(devices.Ptx, h[0], h[1], ArrayView<float>.Empty, ArrayView<float>.Empty, v[0], s)));
        Assert.Contains("C = 4 and O = 8 must be multiples of 8", e.Message, StringComparison.Ordinal);
    }

    static float[] Scratch(Conv2dShape s) => new float[Math.Max(1, Conv2d.TensorCoreScratch(s))];
}
