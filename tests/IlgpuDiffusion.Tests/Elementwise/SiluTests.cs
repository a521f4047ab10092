using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Autograd;
using Kernel = IlgpuDiffusion.Kernels.Elementwise.Silu;

namespace IlgpuDiffusion.Tests.Elementwise;

public class SiluTests(Devices devices) : DeviceTest(devices)
{
    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Forward_and_backward_match_the_reference(string device)
    {
        float[] x = GradCheck.Values(1037, 1), dy = GradCheck.Values(1037, 2);
        float[] y = new float[x.Length], dx = new float[x.Length];
        Kernel.Reference.Forward(x, y);
        Kernel.Reference.Backward(x, dy, dx);

        Tape tape = new(Arena(device));
        Tensor input = tape.From(x, [x.Length]);
        input.RequiresGrad = true;
        Tensor output = Ops.Silu.Forward(tape, input);
        tape.Backward(output, tape.From(dy, [x.Length]));

        Assert.Equal(y, output.ToArray(), (a, b) => MathF.Abs(a - b) <= 1e-6f);
        Assert.Equal(dx, input.Grad!.ToArray(), (a, b) => MathF.Abs(a - b) <= 1e-6f);
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Gradient_matches_finite_differences(string device) =>
        GradCheck.Verify(Arena(device), (tape, x) => Ops.Silu.Forward(tape, x[0]), [(GradCheck.Values(35, 3), [5, 7])]);
}
