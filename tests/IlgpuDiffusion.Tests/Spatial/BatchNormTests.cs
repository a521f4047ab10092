using IlgpuDiffusion.Tests.Autograd;
using Kernel = IlgpuDiffusion.Kernels.Spatial.BatchNorm;

namespace IlgpuDiffusion.Tests.Spatial;

public class BatchNormTests(Devices devices) : DeviceTest(devices)
{
    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Forward_matches_the_reference_at_awkward_sizes(string device)
    {
        foreach ((int rows, int c) in ((int, int)[])[(1, 1), (24, 5), (300, 70)])
        {
            float[] x = GradCheck.Values(rows * c, 1), weight = GradCheck.Values(c, 2), bias = GradCheck.Values(c, 3), mean = GradCheck.Values(c, 4);
            float[] variance = [.. GradCheck.Values(c, 5).Select(v => v + 1.5f)], y = new float[x.Length];
            Kernel.Reference.Forward(x, weight, bias, mean, variance, 1e-3f, y);
            OpResult.Of(
                Arena(device), (t, i) => Ops.BatchNorm.Forward(t, i[0], i[1], i[2], i[3], i[4], 1e-3f), null,
                (x, [rows, c]), (weight, [c]), (bias, [c]), (mean, [c]), (variance, [c])).Matches(2e-6, y);
        }
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    [FiniteDifferences(typeof(Ops.BatchNorm))]
    public void Gradients_match_finite_differences(string device)
    {
        float[] mean = GradCheck.Values(3, 4), variance = [0.5f, 1, 2];
        GradCheck.Verify(
            Arena(device),
            (t, i) => Ops.BatchNorm.Forward(t, i[0], i[1], i[2], t.From(mean, [3]), t.From(variance, [3]), 1e-3f),
            [(GradCheck.Values(24, 1), [2, 2, 2, 3]), (GradCheck.Values(3, 2), [3]), (GradCheck.Values(3, 3), [3])]);
    }
}
