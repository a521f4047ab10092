using IlgpuDiffusion.Ops;
using IlgpuDiffusion.Tests.Autograd;

namespace IlgpuDiffusion.Tests.Adapters;

public class LoraGradientTests(Devices devices) : DeviceTest(devices)
{
    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    [FiniteDifferences(typeof(Ops.LoraLinear))]
    public void Gradients_of_a_shared_and_a_per_sample_update_match_finite_differences(string device)
    {
        foreach (int[] samples in (int[][])[[], [2]])
        {
            int s = samples.Length == 0 ? 1 : 2;
            GradCheck.Verify(
                Arena(device),
                (t, i) => Ops.LoraLinear.Forward(t, i[0], i[1], i[2], i[3], i[4], 0.5f, i[5]),
                [
                    (GradCheck.Values(2 * 3 * 6, 1), [2, 3, 6]),
                    (GradCheck.Values(5 * 6, 2), [5, 6]),
                    (GradCheck.Values(5, 3), [5]),
                    (GradCheck.Values(s * 2 * 6, 4), [.. samples, 2, 6]),
                    (GradCheck.Values(s * 5 * 2, 5), [.. samples, 5, 2]),
                    (GradCheck.Values(2 * 3 * 5, 6), [2, 3, 5]),
                ]);
        }
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    [FiniteDifferences(typeof(Ops.LoraConv2d))]
    public void Gradients_of_a_convolution_with_an_update_match_finite_differences(string device) =>
        GradCheck.Verify(
            Arena(device),
            (t, i) => Ops.LoraConv2d.Forward(t, i[0], i[1], i[2], i[3], i[4], 0.5f, 2, Padding.Same(1)),
            [
                (GradCheck.Values(5 * 4 * 3, 1), [1, 5, 4, 3]),
                (GradCheck.Values(4 * 9 * 3, 2), [4, 3, 3, 3]),
                (GradCheck.Values(4, 3), [4]),
                (GradCheck.Values(2 * 9 * 3, 4), [2, 3, 3, 3]),
                (GradCheck.Values(4 * 2, 5), [4, 1, 1, 2]),
            ]);

    // The bases are frozen, but the shared form's gradients reach them too.
    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    [FiniteDifferences(typeof(Ops.LidbCompose))]
    public void Gradients_of_the_composed_factors_match_finite_differences(string device)
    {
        (float[], int[]) aAux = (GradCheck.Values(6 * 3, 1), [6, 3]), bAux = (GradCheck.Values(4 * 5, 2), [4, 5]);
        GradCheck.Verify(Arena(device), (t, i) => Ops.LidbCompose.Down(t, i[0], i[1]), [aAux, (GradCheck.Values(3 * 2, 3), [3, 2])]);
        GradCheck.Verify(Arena(device), (t, i) => Ops.LidbCompose.Up(t, i[0], i[1]), [(GradCheck.Values(2 * 4, 4), [2, 4]), bAux]);
        GradCheck.Verify(Arena(device), (t, i) => Ops.LidbCompose.Down(t, t.From(aAux.Item1, aAux.Item2), i[0]), [(GradCheck.Values(2 * 3 * 2, 5), [2, 3, 2])]);
        GradCheck.Verify(Arena(device), (t, i) => Ops.LidbCompose.Up(t, i[0], t.From(bAux.Item1, bAux.Item2)), [(GradCheck.Values(2 * 2 * 4, 6), [2, 2, 4])]);
    }
}
