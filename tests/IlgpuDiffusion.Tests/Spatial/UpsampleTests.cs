using IlgpuDiffusion.Tests.Autograd;
using Kernel = IlgpuDiffusion.Kernels.Spatial.Upsample;

namespace IlgpuDiffusion.Tests.Spatial;

public class UpsampleTests(Devices devices) : DeviceTest(devices)
{
    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Forward_and_backward_match_the_reference_at_awkward_sizes(string device)
    {
        foreach ((int b, int h, int w, int c) in ((int, int, int, int)[])[(1, 1, 1, 1), (2, 3, 5, 7), (1, 17, 9, 24)])
        {
            float[] x = GradCheck.Values(b * h * w * c, 1), dy = GradCheck.Values(4 * x.Length, 2);
            float[] y = new float[dy.Length], dx = new float[x.Length];
            Kernel.Reference.Forward(x, y, b, h, w, c);
            Kernel.Reference.Backward(dy, dx, b, h, w, c);
            OpResult.Of(Arena(device), (t, i) => Ops.Upsample.Forward(t, i[0]), dy, (x, [b, h, w, c])).Matches(1e-6, y, dx);
        }
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    [FiniteDifferences(typeof(Ops.Upsample))]
    public void Gradient_matches_finite_differences(string device) =>
        GradCheck.Verify(Arena(device), (t, x) => Ops.Upsample.Forward(t, x[0]), [(GradCheck.Values(2 * 3 * 2 * 3, 3), [2, 3, 2, 3])]);
}
