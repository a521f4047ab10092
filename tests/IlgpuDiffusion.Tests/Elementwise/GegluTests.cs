using IlgpuDiffusion.Tests.Autograd;
using Kernel = IlgpuDiffusion.Kernels.Elementwise.Geglu;

namespace IlgpuDiffusion.Tests.Elementwise;

public class GegluTests(Devices devices) : DeviceTest(devices)
{
    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Forward_and_backward_match_the_reference_at_awkward_sizes(string device)
    {
        foreach ((int rows, int d) in ((int, int)[])[(1, 1), (3, 7), (77, 65), (2, 5000)])
        {
            // A single gate far in the tail would have its cancellation measured against itself.
            float reach = d > 1 ? 4 : 1;
            float[] p = [.. GradCheck.Values(rows * 2 * d, 1).Select(v => reach * v)], dy = GradCheck.Values(rows * d, 2);
            float[] y = new float[rows * d], dp = new float[p.Length];
            Kernel.Reference.Forward(p, y, d);
            Kernel.Reference.Backward(p, dy, dp, d);
            OpResult.Of(Arena(device), (t, x) => Ops.Geglu.Forward(t, x[0]), dy, (p, [rows, 2 * d])).Matches(1e-6, y, dp);
        }
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    [FiniteDifferences(typeof(Ops.Geglu))]
    public void Gradient_matches_finite_differences(string device) =>
        GradCheck.Verify(Arena(device), (t, x) => Ops.Geglu.Forward(t, x[0]), [(GradCheck.Values(2 * 3 * 14, 3), [2, 3, 14])]);
}
