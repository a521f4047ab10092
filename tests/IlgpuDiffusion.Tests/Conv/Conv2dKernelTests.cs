using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Conv;
using IlgpuDiffusion.Kernels.MatMul.Cpu;

namespace IlgpuDiffusion.Tests;

public sealed class Conv2dKernelTests(KernelDevices devices) : IClassFixture<KernelDevices>
{
    const double Tolerance = 2e-6;

    public static TheoryData<Conv2dShape> Shapes =>
    [
        new Conv2dShape(2, 5, 7, 3, 4, 3, 3, 1, 1, 1, 1, 1),
        new Conv2dShape(1, 4, 4, 5, 3, 1, 1, 1, 0, 0, 0, 0),
        new Conv2dShape(1, 4, 5, 5, 3, 1, 1, 2, 0, 0, 0, 0),
        new Conv2dShape(1, 5, 4, 2, 3, 3, 3, 1, 0, 0, 0, 0),
        new Conv2dShape(2, 8, 6, 4, 17, 3, 3, 2, 1, 1, 1, 1),
        new Conv2dShape(1, 7, 9, 3, 5, 3, 3, 2, 0, 1, 0, 1),
        new Conv2dShape(1, 11, 14, 2, 3, 5, 5, 3, 2, 2, 2, 2),
        new Conv2dShape(1, 32, 32, 3, 5, 16, 16, 16, 0, 0, 0, 0),
        new Conv2dShape(1, 6, 8, 3, 4, 1, 3, 1, 1, 1, 0, 0),
        new Conv2dShape(1, 1, 13, 2, 3, 3, 3, 1, 1, 1, 1, 1),
        new Conv2dShape(1, 1, 1, 3, 2, 3, 3, 1, 1, 1, 1, 1),
        new Conv2dShape(1, 9, 8, 40, 33, 3, 3, 1, 1, 1, 1, 1),
        new Conv2dShape(1, 3, 2, 2, 2, 5, 6, 1, 4, 3, 2, 4),
        new Conv2dShape(2, 7, 9, 18, 3, 3, 3, 1, 1, 0, 2, 1),
        new Conv2dShape(2, 7, 9, 3, 18, 3, 3, 1, 1, 0, 2, 1),
        new Conv2dShape(1, 6, 5, 7, 2, 5, 6, 1, 4, 3, 2, 4),
        new Conv2dShape(1, 6, 5, 2, 7, 5, 6, 1, 4, 3, 2, 4),
        new Conv2dShape(1, 4, 5, 2, 18, 3, 3, 1, 3, 3, 3, 3),
        new Conv2dShape(1, 9, 11, 1, 5, 3, 3, 2, 1, 1, 1, 1),
        new Conv2dShape(1, 7, 10, 21, 1, 4, 4, 2, 1, 1, 1, 1),
        new Conv2dShape(1, 7, 5, 19, 6, 1, 1, 3, 0, 0, 0, 0),
        new Conv2dShape(1, 8, 11, 20, 7, 4, 3, 3, 0, 1, 1, 0),
    ];

    /// Enough positions that tiles of rows share the packed filter, in one place and, with the sum in several blocks and parts, in many.
    public static TheoryData<Conv2dShape> LargeShapes =>
    [
        new Conv2dShape(3, 41, 39, 19, 37, 3, 3, 2, 1, 1, 1, 1),
        new Conv2dShape(2, 51, 50, 65, 130, 3, 3, 2, 0, 1, 1, 0),
        new Conv2dShape(1, 85, 88, 48, 34, 4, 4, 3, 1, 0, 1, 2),
    ];

    [Theory]
    [MemberData(nameof(LargeShapes))]
    public void Shared_filters_match_the_reference_in_all_three_directions(Conv2dShape s)
    {
        float[] x = KernelDevices.Numbers(s.InputCount, 1), w = KernelDevices.Numbers(s.WeightCount, 2), bias = KernelDevices.Numbers(s.O, 3), dy = KernelDevices.Numbers(s.OutputCount, 4);
        float[] y = new float[s.OutputCount], dx = new float[s.InputCount], dw = Sevens(s.WeightCount);
        Conv2d.Reference.Forward(x, w, bias, y, s);
        Conv2d.Reference.BackwardInput(dy, w, dx, s);
        Conv2d.Reference.BackwardWeight(x, dy, dw, s);
        foreach (CpuIsa isa in Enum.GetValues<CpuIsa>())
        {
            Check([x, w, bias], y, new float[s.OutputCount], v => Conv2d.ForwardCpu(devices.CpuTwo.Cpu!, v[0], v[1], v[2], v[3], s, default, isa), $"{isa} y");
            Check([dy, w], dx, Sevens(s.InputCount), v => Conv2d.BackwardInputCpu(devices.CpuTwo.Cpu!, v[0], v[1], v[2], s, isa), $"{isa} dx");
            Check([x, dy], dw, Sevens(s.WeightCount), v => Conv2d.BackwardWeightCpu(devices.CpuTwo.Cpu!, v[0], v[1], v[2], s, isa), $"{isa} dw");
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Forward_matches_the_reference(Conv2dShape s)
    {
        float[] x = KernelDevices.Numbers(s.InputCount, 1), w = KernelDevices.Numbers(s.WeightCount, 2), bias = KernelDevices.Numbers(s.O, 3);
        float[] residual = KernelDevices.Numbers(s.OutputCount, 4);
        foreach ((float[] b, float[] r) in new[] { (bias, residual), (bias, []), ([], residual), ([], []) })
        {
            float[] expected = new float[s.OutputCount];
            Conv2d.Reference.Forward(x, w, b, expected, s, r);
            foreach (CpuIsa isa in Enum.GetValues<CpuIsa>())
                Check([x, w, b, r], expected, new float[s.OutputCount], v => Conv2d.ForwardCpu(devices.CpuTwo.Cpu!, v[0], v[1], v[2], v[4], s, v[3], isa), $"{isa} y");
            Check([x, w, b, r], expected, new float[s.OutputCount], v => Conv2d.Forward(devices.Cpu, v[0], v[1], v[2], v[4], s, default, v[3]), "cpu y");
            Check([x, w, b, r], expected, new float[s.OutputCount], v => Conv2d.Forward(devices.Simulator, v[0], v[1], v[2], v[4], s, default, v[3]), "simulated y");
            Check([x, w, b, r], expected, new float[s.OutputCount], v => Conv2d.Forward(devices.Ptx, v[0], v[1], v[2], v[4], s, default, v[3]), "interpreted y");
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Gradient_of_the_input_matches_the_reference_and_overwrites(Conv2dShape s)
    {
        float[] dy = KernelDevices.Numbers(s.OutputCount, 1), w = KernelDevices.Numbers(s.WeightCount, 2);
        float[] expected = new float[s.InputCount];
        Conv2d.Reference.BackwardInput(dy, w, expected, s);
        foreach (CpuIsa isa in Enum.GetValues<CpuIsa>())
            Check([dy, w], expected, Sevens(s.InputCount), v => Conv2d.BackwardInputCpu(devices.CpuTwo.Cpu!, v[0], v[1], v[2], s, isa), $"{isa} dx");
        Check([dy, w], expected, Sevens(s.InputCount), v => Conv2d.BackwardInput(devices.Cpu, v[0], v[1], v[2], s), "cpu dx");
        Check([dy, w], expected, Sevens(s.InputCount), v => Conv2d.BackwardInput(devices.Simulator, v[0], v[1], v[2], s), "simulated dx");
        Check([dy, w], expected, Sevens(s.InputCount), v => Conv2d.BackwardInput(devices.Ptx, v[0], v[1], v[2], s), "interpreted dx");
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Gradient_of_the_weight_matches_the_reference_and_adds(Conv2dShape s)
    {
        float[] x = KernelDevices.Numbers(s.InputCount, 1), dy = KernelDevices.Numbers(s.OutputCount, 2);
        float[] expected = Sevens(s.WeightCount);
        Conv2d.Reference.BackwardWeight(x, dy, expected, s);
        foreach (CpuIsa isa in Enum.GetValues<CpuIsa>())
            Check([x, dy], expected, Sevens(s.WeightCount), v => Conv2d.BackwardWeightCpu(devices.CpuTwo.Cpu!, v[0], v[1], v[2], s, isa), $"{isa} dw");
        Check([x, dy], expected, Sevens(s.WeightCount), v => Conv2d.BackwardWeight(devices.Cpu, v[0], v[1], v[2], s), "cpu dw");
        Check([x, dy], expected, Sevens(s.WeightCount), v => Conv2d.BackwardWeight(devices.Simulator, v[0], v[1], v[2], s), "simulated dw");
        Check([x, dy], expected, Sevens(s.WeightCount), v => Conv2d.BackwardWeight(devices.Ptx, v[0], v[1], v[2], s), "interpreted dw");
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void OpenCL_matches_the_reference_in_all_three_directions(Conv2dShape s)
    {
        float[] x = KernelDevices.Numbers(s.InputCount, 1), w = KernelDevices.Numbers(s.WeightCount, 2), bias = KernelDevices.Numbers(s.O, 3), dy = KernelDevices.Numbers(s.OutputCount, 4);
        float[] y = new float[s.OutputCount], plain = new float[s.OutputCount], dx = new float[s.InputCount], dw = Sevens(s.WeightCount);
        Conv2d.Reference.Forward(x, w, bias, y, s);
        Conv2d.Reference.Forward(x, w, [], plain, s);
        Conv2d.Reference.BackwardInput(dy, w, dx, s);
        Conv2d.Reference.BackwardWeight(x, dy, dw, s);
        float[][] got = [new float[y.Length], new float[y.Length], Sevens(dx.Length), Sevens(dw.Length)];
        devices.RunOpenCl([x, w, bias, dy, .. got], v =>
        {
            Conv2d.Forward(devices.OpenCl, v[0], v[1], v[2], v[4], s);
            Conv2d.Forward(devices.OpenCl, v[0], v[1], ArrayView<float>.Empty, v[5], s);
            Conv2d.BackwardInput(devices.OpenCl, v[3], v[1], v[6], s);
            Conv2d.BackwardWeight(devices.OpenCl, v[0], v[3], v[7], s);
        });
        KernelDevices.AssertClose(y, got[0], Tolerance, "y");
        KernelDevices.AssertClose(plain, got[1], Tolerance, "y without bias");
        KernelDevices.AssertClose(dx, got[2], Tolerance, "dx");
        KernelDevices.AssertClose(dw, got[3], Tolerance, "dw");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void One_two_and_three_threads_give_the_same_bits(int stride)
    {
        Conv2dShape s = new(3, 40, 40, 32, 48, 3, 3, stride, 1, 1, 1, 1);
        float[] x = KernelDevices.Numbers(s.InputCount, 1), w = KernelDevices.Numbers(s.WeightCount, 2);
        float[] y = [], dx = [], dw = [];
        for (int threads = 1; threads <= 3; threads++)
        {
            using CpuPool pool = new(threads);
            KernelContext k = new(devices.Cpu.Accelerator, pool);
            float[] newY = new float[s.OutputCount], newDx = new float[s.InputCount], newDw = new float[s.WeightCount];
            devices.Run([x, w, newY, newDx, newDw], v =>
            {
                Conv2d.Forward(k, v[0], v[1], ArrayView<float>.Empty, v[2], s);
                Conv2d.BackwardInput(k, v[2], v[1], v[3], s);
                Conv2d.BackwardWeight(k, v[0], v[2], v[4], s);
            });
            if (threads > 1)
            {
                Assert.Equal(y, newY);
                Assert.Equal(dx, newDx);
                Assert.Equal(dw, newDw);
            }

            (y, dx, dw) = (newY, newDx, newDw);
        }
    }

    static float[] Sevens(int n)
    {
        float[] x = new float[n];
        Array.Fill(x, 7);
        return x;
    }

    void Check(float[][] inputs, float[] expected, float[] actual, Action<ArrayView<float>[]> kernel, string what)
    {
        devices.Run([.. inputs, actual], kernel);
        KernelDevices.AssertClose(expected, actual, Tolerance, what);
    }
}
