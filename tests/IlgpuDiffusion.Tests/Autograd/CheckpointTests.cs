using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Tests.Autograd;

public class CheckpointTests(Devices devices) : DeviceTest(devices)
{
    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Inputs_with_other_consumers_before_and_after_get_the_same_gradient(string device)
    {
        using Arena scratch = new(Device(device), 1 << 16);
        float[] plain = Gradient(device, null), checkpointed = Gradient(device, scratch);
        Assert.Equal(plain, checkpointed);
        Assert.Equal(0, scratch.UsedBytes);
    }

    [Fact]
    public void Nothing_is_recorded_for_frozen_inputs()
    {
        using Arena scratch = new(Device("cpu"), 1 << 16);
        Tape tape = new(Arena("cpu"));
        Checkpoint.Forward(tape, scratch, (t, x) => Ops.Silu.Forward(t, x[0]), [tape.From([1, 2], [2])]);
        Assert.Equal(0, tape.Count);
    }

    [Fact]
    public void Gradients_of_parameters_without_a_buffer_outlive_the_second_arena()
    {
        using Arena scratch = new(Device("cpu"), 1 << 16);
        Tape tape = new(Arena("cpu"));
        Tensor x = tape.From(GradCheck.Values(6, 1), [2, 3]), w = tape.From(GradCheck.Values(12, 2), [4, 3]);
        w.RequiresGrad = true;
        Tensor y = Checkpoint.Forward(tape, scratch, (t, inputs) => Ops.Linear.Forward(t, inputs[0], w, null), [x]);
        tape.Backward(y, tape.From(GradCheck.Values(8, 3), [2, 4]));
        Assert.Equal(12, w.Grad!.ToArray().Length);
    }

    float[] Gradient(string device, Arena? scratch)
    {
        Tape tape = new(Arena(device));
        Tensor x = tape.From(GradCheck.Values(300, 1), [300]);
        x.RequiresGrad = true;
        Tensor before = Ops.Silu.Forward(tape, x);
        Func<Tape, Tensor[], Tensor> f = (t, inputs) => Ops.Add.Forward(t, Ops.Silu.Forward(t, inputs[0]), Ops.Add.Forward(t, inputs[1], inputs[0]));
        Tensor inner = scratch is null ? f(tape, [x, before]) : Checkpoint.Forward(tape, scratch, f, [x, before]);
        Tensor y = Ops.Add.Forward(tape, inner, Ops.Silu.Forward(tape, x));
        tape.Backward(y, tape.From(GradCheck.Values(300, 2), [300]));
        return x.Grad!.ToArray();
    }
}
