using IlgpuDiffusion.Tests.Autograd;

namespace IlgpuDiffusion.Tests.MatMul;

public class MatMulGradientTests(Devices devices) : DeviceTest(devices)
{
    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    [FiniteDifferences(typeof(Ops.MatMul))]
    public void Gradients_match_finite_differences_in_all_transposed_forms(string device)
    {
        foreach ((bool transposeA, bool transposeB) in ((bool, bool)[])[(false, false), (false, true), (true, false), (true, true)])
        {
            GradCheck.Verify(
                Arena(device),
                (t, i) => Ops.MatMul.Forward(t, i[0], i[1], transposeA, transposeB, scale: 0.7f),
                [(GradCheck.Values(2 * 3 * 5, 1), transposeA ? [2, 5, 3] : [2, 3, 5]), (GradCheck.Values(2 * 5 * 7, 2), transposeB ? [2, 7, 5] : [2, 5, 7])]);
        }
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    [FiniteDifferences(typeof(Ops.Linear))]
    public void Gradients_of_a_linear_layer_match_finite_differences(string device) =>
        GradCheck.Verify(
            Arena(device),
            (t, i) => Ops.Linear.Forward(t, i[0], i[1], i[2]),
            [(GradCheck.Values(2 * 3 * 5, 1), [2, 3, 5]), (GradCheck.Values(7 * 5, 2), [7, 5]), (GradCheck.Values(7, 3), [7])]);

    // The second time the residual is what the layer starts from, as in a network, so that two gradients meet in it.
    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Gradients_of_a_linear_layer_with_a_residual_match_finite_differences(string device)
    {
        (float[], int[]) x = (GradCheck.Values(2 * 3 * 5, 1), [2, 3, 5]);
        GradCheck.Verify(
            Arena(device),
            (t, i) => Ops.Linear.Forward(t, i[0], i[1], i[2], i[3]),
            [x, (GradCheck.Values(7 * 5, 2), [7, 5]), (GradCheck.Values(7, 3), [7]), (GradCheck.Values(2 * 3 * 7, 4), [2, 3, 7])]);
        GradCheck.Verify(Arena(device), (t, i) => Ops.Linear.Forward(t, i[0], i[1], null, i[0]), [x, (GradCheck.Values(5 * 5, 2), [5, 5])]);
    }
}
