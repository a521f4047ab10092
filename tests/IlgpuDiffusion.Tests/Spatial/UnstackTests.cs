using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Autograd;

namespace IlgpuDiffusion.Tests.Spatial;

public class UnstackTests(Devices devices) : DeviceTest(devices)
{
    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Each_part_is_a_slice_and_hands_its_gradient_to_its_place(string device)
    {
        float[] x = GradCheck.Values(24, 1), dy = GradCheck.Values(8, 2);
        // Part 1 twice and part 2 once: 2·x[1] + x[2].
        OpResult result = OpResult.Of(
            Arena(device),
            (t, i) =>
            {
                Tensor[] parts = Ops.Unstack.Forward(t, i[0]);
                return Ops.Add.Forward(t, Ops.Add.Forward(t, parts[1], parts[2]), parts[1]);
            },
            dy,
            (x, [3, 2, 4]));
        Assert.Equal(Enumerable.Range(0, 8).Select(k => x[8 + k] + x[16 + k] + x[8 + k]), result.Y);
        Assert.Equal([2, 4], result.Shape);
        Assert.Equal([.. new float[8], .. dy.Select(g => g + g), .. dy], result.Gradients[0]);
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    [FiniteDifferences(typeof(Ops.Unstack))]
    public void It_adds_to_a_gradient_that_other_consumers_left(string device) => GradCheck.Verify(
        Arena(device),
        (t, i) => Ops.Add.Forward(t, Ops.Multiply.Forward(t, Ops.Unstack.Forward(t, i[0])[0], Ops.Unstack.Forward(t, i[0])[1]), Ops.Reshape.Forward(t, Ops.Slice.Forward(t, i[0], 0, 1, 1), [3])),
        [(GradCheck.Values(6, 3), [2, 3])]);
}
