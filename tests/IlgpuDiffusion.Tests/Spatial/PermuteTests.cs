using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Kernels.Spatial;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Autograd;
using Kernel = IlgpuDiffusion.Kernels.Spatial.Permute;

namespace IlgpuDiffusion.Tests.Spatial;

public class PermuteTests(Devices devices) : DeviceTest(devices)
{
    static readonly (int[] Shape, int[] Order)[] Cases =
    [
        ([7], [0]),
        ([3, 5], [1, 0]),
        ([2, 3, 5], [1, 0, 2]),
        ([2, 7, 5, 3], [0, 3, 1, 2]),
        ([2, 9, 4, 3], [0, 2, 1, 3]),
        ([2, 3, 2, 3, 5], [4, 2, 0, 3, 1]),
    ];

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Forward_matches_the_reference_and_backward_undoes_it(string device)
    {
        foreach ((int[] shape, int[] order) in Cases)
        {
            float[] x = GradCheck.Values(shape.Aggregate((a, b) => a * b), 1), y = new float[x.Length];
            Kernel.Reference.Forward(x, y, PermuteLayout.Of(shape, order));
            // The gradient of the values themselves is the input again.
            OpResult result = OpResult.Of(Arena(device), (t, i) => Ops.Permute.Forward(t, i[0], order), y, (x, shape));
            Assert.Equal([.. order.Select(n => shape[n])], result.Shape);
            result.Matches(0, y, x);
        }
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    [FiniteDifferences(typeof(Ops.Permute), typeof(Ops.Reshape))]
    public void Gradients_match_finite_differences(string device)
    {
        float[] x = GradCheck.Values(42, 2);
        GradCheck.Verify(Arena(device), (t, i) => Ops.Permute.Forward(t, i[0], 2, 0, 1), [(x, [2, 3, 7])]);
        GradCheck.Verify(Arena(device), (t, i) => Ops.Reshape.Forward(t, i[0], [6, 7]), [(x, [2, 3, 7])]);
    }

    [Fact]
    public void Reshape_shares_memory_and_both_uses_give_their_gradient()
    {
        Tape tape = new(Arena("cpu"));
        Tensor x = tape.From([1, 2, 3, 4], [4]);
        x.RequiresGrad = true;
        Tensor y = Ops.Add.Forward(tape, Ops.Reshape.Forward(tape, x, [2, 2]), Ops.Reshape.Forward(tape, x, [2, 2]));
        tape.Backward(y, tape.From([1, 2, 3, 4], [2, 2]));
        Assert.Equal([2, 4, 6, 8], x.Grad!.ToArray());
    }

    [Fact]
    public void An_order_that_is_none_is_refused()
    {
        Tape tape = new(Arena("cpu"));
        Assert.Throws<ArgumentException>(() => Ops.Permute.Forward(tape, tape.Zeros([2, 3]), 0, 0));
        Assert.Throws<ArgumentException>(() => Ops.Permute.Forward(tape, tape.Zeros([2, 3]), 0));
    }
}
