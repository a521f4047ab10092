using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Tests;

/// What a convolution keeps for a frozen weight must never be seen once the weight is another.
public sealed class FrozenFormsTests(Devices devices) : DeviceTest(devices)
{
    const string Name = "cpu f4";

    [Fact]
    public void A_filter_is_kept_while_frozen_made_again_after_a_write_and_given_back_when_trained()
    {
        Arena arena = Arena(Name);
        using Weights weights = new();
        IlgpuDiffusion.Nn.Conv2d conv = new(weights.Root, 32, 48, kernel: 3);
        weights.Allocate(arena.Device, "conv");
        weights.Initialize(1);
        float[] x = KernelDevices.Numbers(2 * 8 * 8 * 32, 1);
        arena.New([1]);
        int before = arena.Device.LiveBuffers;

        float[] first = Forward(out float[] firstDx);
        Assert.Equal(before + 2, arena.Device.LiveBuffers);
        Assert.Equal(first, Forward(out float[] again));
        Assert.Equal(firstDx, again);
        Assert.Equal(before + 2, arena.Device.LiveBuffers);

        // Twice the weight is twice the output and the gradient, to the bit.
        foreach (Parameter p in weights.Parameters)
            p.Value.CopyFrom(Twice(p.Value.ToArray()));
        Assert.Equal(Twice(first), Forward(out float[] twiceDx));
        Assert.Equal(Twice(firstDx), twiceDx);

        // The whole array is another tensor over the same memory.
        weights.Values.CopyFrom(Twice(weights.Values.ToArray()));
        Assert.Equal(Twice(Twice(first)), Forward(out _));

        weights.RequireGrad(true);
        Assert.Equal(before + 1, arena.Device.LiveBuffers);
        Assert.Equal(Twice(Twice(first)), Forward(out _));
        Assert.Equal(before + 1, arena.Device.LiveBuffers);

        float[] Forward(out float[] dx)
        {
            Tape tape = new(arena);
            Tensor input = tape.From(x, [2, 8, 8, 32]);
            input.RequiresGrad = true;
            Tensor y = conv.Forward(tape, input);
            float[] values = y.ToArray();
            tape.Backward(y, tape.From(KernelDevices.Numbers(y.Count, 2), y.Shape));
            dx = input.Grad!.ToArray();
            arena.Reset();
            return values;
        }
    }

    static float[] Twice(float[] values) => Array.ConvertAll(values, v => 2 * v);
}
