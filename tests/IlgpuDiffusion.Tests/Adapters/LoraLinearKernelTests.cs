using ILGPU;
using IlgpuDiffusion.Kernels.Adapters;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Tests;

public sealed class LoraLinearKernelTests(KernelDevices devices) : IClassFixture<KernelDevices>
{
    const double Tolerance = 2e-6;

    public static TheoryData<LoraShape> Shapes =>
    [
        new LoraShape(1, 1, 1, 1, 1),
        new LoraShape(1, 7, 33, 20, 4),
        new LoraShape(3, 9, 17, 40, 2),
        new LoraShape(2, 31, 270, 19, 16),
        new LoraShape(1, 40, 256, 256, 1),
        new LoraShape(2, 33, 130, 35, 17),
    ];

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Every_device_matches_the_reference(LoraShape s)
    {
        foreach (bool residual in (bool[])[false, true])
        {
            List<float[][]> results = [.. new[] { devices.Cpu, devices.CpuTwo, devices.Simulator, devices.Ptx }.Select(k => Checked(s, residual, k, devices.Run))];
            Assert.Equal(results[0], results[1]);
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void OpenCL_matches_the_reference(LoraShape s) => Checked(s, withResidual: true, devices.OpenCl, devices.RunOpenCl);

    // The layer's results on a device, each compared with the reference.
    static float[][] Checked(LoraShape s, bool withResidual, KernelContext k, Action<float[][], Action<ArrayView<float>[]>> run)
    {
        int rows = s.Samples * s.Rows;
        const float scale = 0.75f;
        float[] x = KernelDevices.Numbers(rows * s.In, 1), w = KernelDevices.Numbers(s.Out * s.In, 2), bias = KernelDevices.Numbers(s.Out, 3);
        float[] a = KernelDevices.Numbers(s.Samples * s.Rank * s.In, 4), b = KernelDevices.Numbers(s.Samples * s.Out * s.Rank, 5);
        float[] dy = KernelDevices.Numbers(rows * s.Out, 6), residual = withResidual ? KernelDevices.Numbers(rows * s.Out, 9) : [];
        float[] y = new float[rows * s.Out], xa = new float[rows * s.Rank], dx = new float[rows * s.In], dya = new float[rows * s.Rank];
        float[] da = KernelDevices.Numbers(a.Length, 7), db = KernelDevices.Numbers(b.Length, 8);
        LoraLinear.Reference.Forward(x, w, bias, a, b, scale, y, xa, s, residual);
        LoraLinear.Reference.BackwardInput(dy, w, a, b, scale, dx, dya, s);
        LoraLinear.Reference.BackwardFactors(x, xa, dy, dya, scale, da, db, s);

        float[][] got = [new float[y.Length], new float[xa.Length], new float[dx.Length], new float[dya.Length], KernelDevices.Numbers(a.Length, 7), KernelDevices.Numbers(b.Length, 8)];
        run([x, w, bias, a, b, dy, .. got, residual], v =>
        {
            LoraLinear.Forward(k, v[0], v[1], v[2], v[3], v[4], scale, v[6], v[7], s, v[12]);
            LoraLinear.BackwardProject(k, v[5], v[4], v[9], s);
            LoraLinear.BackwardInput(k, v[5], v[1], v[3], v[9], scale, v[8], s);
            LoraLinear.BackwardA(k, v[0], v[9], scale, v[10], s);
            LoraLinear.BackwardB(k, v[7], v[5], scale, v[11], s);
        });
        float[][] expected = [y, xa, dx, dya, da, db];
        for (int i = 0; i < got.Length; i++)
            KernelDevices.AssertClose(expected[i], got[i], Tolerance, $"result {i} of {s}");
        return got;
    }
}
