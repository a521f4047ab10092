using IlgpuDiffusion.Ops;
using IlgpuDiffusion.Tests.Autograd;

namespace IlgpuDiffusion.Tests.Conv;

public class Conv2dGradientTests(Devices devices) : DeviceTest(devices)
{
    public static TheoryData<string, int, int, Padding> Cases
    {
        get
        {
            TheoryData<string, int, int, Padding> data = [];
            foreach (string device in Devices.Names.Select(row => (string)row.Data))
            {
                data.Add(device, 1, 1, Padding.Same(0));
                data.Add(device, 3, 1, Padding.Same(1));
                data.Add(device, 3, 2, Padding.Same(1));
                data.Add(device, 3, 2, new Padding(0, 1, 0, 1));
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    [FiniteDifferences(typeof(Ops.Conv2d))]
    public void Gradients_match_finite_differences(string device, int side, int stride, Padding padding) =>
        GradCheck.Verify(
            Arena(device),
            (t, i) => Ops.Conv2d.Forward(t, i[0], i[1], i[2], stride, padding),
            [(GradCheck.Values(2 * 5 * 4 * 3, 1), [2, 5, 4, 3]), (GradCheck.Values(2 * side * side * 3, 2), [2, side, side, 3]), (GradCheck.Values(2, 3), [2])]);

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Gradients_with_a_residual_match_finite_differences(string device) =>
        GradCheck.Verify(
            Arena(device),
            (t, i) => Ops.Conv2d.Forward(t, i[0], i[1], i[2], 1, Padding.Same(1), i[3]),
            [
                (GradCheck.Values(5 * 4 * 3, 1), [1, 5, 4, 3]),
                (GradCheck.Values(2 * 9 * 3, 2), [2, 3, 3, 3]),
                (GradCheck.Values(2, 3), [2]),
                (GradCheck.Values(5 * 4 * 2, 4), [1, 5, 4, 2]),
            ]);
}
