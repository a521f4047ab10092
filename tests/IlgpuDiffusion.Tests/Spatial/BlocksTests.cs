using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Autograd;

namespace IlgpuDiffusion.Tests.Spatial;

/// Concat, Slice and Pad: all one block copy.
public class BlocksTests(Devices devices) : DeviceTest(devices)
{
    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Slices_of_a_concatenation_are_its_parts_on_every_axis(string device)
    {
        for (int axis = -3; axis < 3; axis++)
        {
            int[] shapeA = [4, 3, 5], shapeB = [4, 3, 5];
            shapeB[(axis + 3) % 3] = 7;
            float[] a = GradCheck.Values(60, 1), b = GradCheck.Values(shapeB.Aggregate((x, y) => x * y), 2);
            Tape tape = new(Arena(device));
            Tensor whole = Ops.Concat.Forward(tape, tape.From(a, shapeA), tape.From(b, shapeB), axis);
            int extent = shapeA[(axis + 3) % 3];
            Assert.Equal(extent + 7, whole.Shape[axis < 0 ? axis + 3 : axis]);
            Assert.Equal(a, Ops.Slice.Forward(tape, whole, axis, 0, extent).ToArray());
            Assert.Equal(b, Ops.Slice.Forward(tape, whole, axis, extent, 7).ToArray());
        }
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Padding_puts_zeros_around_and_its_gradient_drops_them(string device)
    {
        float[] x = [1, 2, 3, 4];   // (1, 2, 1, 2)
        float[] y =
        [
            0, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 1, 2, 0, 0, 0, 0,
            0, 0, 3, 4, 0, 0, 0, 0,
        ];
        float[] dy = [.. Enumerable.Range(0, 24).Select(i => (float)i)];
        OpResult.Of(Arena(device), (t, i) => Ops.Pad.Forward(t, i[0], left: 1, right: 2, top: 1, bottom: 0), dy, (x, [1, 2, 1, 2]))
            .Matches(0, y, [10, 11, 18, 19]);
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    [FiniteDifferences(typeof(Ops.Concat), typeof(Ops.Pad), typeof(Ops.Slice))]
    public void Gradients_match_finite_differences(string device)
    {
        Arena arena = Arena(device);
        float[] x = GradCheck.Values(36, 3);
        GradCheck.Verify(arena, (t, i) => Ops.Concat.Forward(t, i[0], i[1]), [(x, [2, 3, 2, 3]), (GradCheck.Values(24, 4), [2, 3, 2, 2])]);
        GradCheck.Verify(arena, (t, i) => Ops.Concat.Forward(t, i[0], i[1], 1), [(x, [2, 3, 2, 3]), (GradCheck.Values(12, 4), [2, 1, 2, 3])]);
        GradCheck.Verify(arena, (t, i) => Ops.Slice.Forward(t, i[0], 1, 1, 2), [(x, [2, 3, 6])]);
        GradCheck.Verify(arena, (t, i) => Ops.Pad.Forward(t, i[0], 1, 0, 2, 1), [(x, [2, 3, 2, 3])]);
    }

    [Fact]
    public void A_slice_outside_and_shapes_that_do_not_fit_are_refused_with_their_numbers()
    {
        Tape tape = new(Arena("cpu"));
        Tensor x = tape.Zeros([2, 3]);
        Assert.Contains("[2, 3]", Assert.Throws<ArgumentException>(() => Ops.Slice.Forward(tape, x, 1, 2, 2)).Message, StringComparison.Ordinal);
        Assert.Contains("[3, 3]", Assert.Throws<ArgumentException>(() => Ops.Concat.Forward(tape, x, tape.Zeros([3, 3]))).Message, StringComparison.Ordinal);
    }
}
