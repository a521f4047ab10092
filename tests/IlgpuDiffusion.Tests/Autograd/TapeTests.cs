using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Tests.Autograd;

public class TapeTests(Devices devices) : DeviceTest(devices)
{
    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void A_tensor_with_three_consumers_gets_the_sum_of_their_gradients(string device)
    {
        Tape tape = new(Arena(device));
        Tensor x = tape.From([1, 2], [2]);
        x.RequiresGrad = true;
        Tensor y = Ops.Add.Forward(tape, Ops.Add.Forward(tape, x, x), x);
        tape.Backward(y, tape.From([10, 20], [2]));
        Assert.Equal([30, 60], x.Grad!.ToArray());
    }

    [Fact]
    public void Nothing_is_recorded_for_frozen_inputs()
    {
        Tape tape = new(Arena("cpu"));
        Ops.Silu.Forward(tape, tape.From([1, 2], [2]));
        Assert.Equal(0, tape.Count);
    }

    [Fact]
    public void A_tensor_of_an_earlier_step_is_refused()
    {
        Arena arena = Arena("cpu");
        Tensor x = new Tape(arena).From([1], [1]);
        arena.Reset();
        Assert.Throws<InvalidOperationException>(() => x.ToArray());
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void A_second_step_compiles_nothing_and_allocates_nothing(string device)
    {
        Arena arena = Arena(device);
        void Step()
        {
            Tape tape = new(arena);
            Tensor x = tape.From(GradCheck.Values(1000, 1), [1000]);
            x.RequiresGrad = true;
            Tensor y = Ops.Add.Forward(tape, Ops.Silu.Forward(tape, x), x);
            tape.Backward(y, y);
            arena.Reset();
        }

        Step();
        long compiled = arena.Device.Kernels.Compiled, allocated = arena.Device.SystemAllocations;
        Step();
        Assert.Equal(compiled, arena.Device.Kernels.Compiled);
        Assert.Equal(allocated, arena.Device.SystemAllocations);
    }
}
