using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Autograd;
using IlgpuDiffusion.Tests.Fixtures;
using Kernel = IlgpuDiffusion.Kernels.Attention.Softmax;

namespace IlgpuDiffusion.Tests.Attention;

public class SoftmaxTests(Devices devices) : DeviceTest(devices)
{
    static (float[] Y, float[] Dx) Run(Arena arena, float[] x, Shape shape, float[] dy, bool log)
    {
        Tape tape = new(arena);
        Tensor input = tape.From(x, shape);
        input.RequiresGrad = true;
        Tensor y = log ? Ops.LogSoftmax.Forward(tape, input) : Ops.Softmax.Forward(tape, input);
        tape.Backward(y, tape.From(dy, shape));
        return (y.ToArray(), input.Grad!.ToArray());
    }

    [Theory]
    [InlineData("cpu", 1)]
    [InlineData("cpu", 13)]
    [InlineData("cpu", 300)]
    [InlineData("cpu-sim", 13)]
    [InlineData("ptx-sim", 13)]
    [InlineData("opencl", 300)]
    public void Forward_and_backward_match_the_reference(string device, int d)
    {
        float[] x = Array.ConvertAll(GradCheck.Values(40 * d, 1), v => 20 * v), dy = GradCheck.Values(x.Length, 2);
        foreach (bool log in (bool[])[false, true])
        {
            float[] y = new float[x.Length], dx = new float[x.Length];
            Kernel.Reference.Forward(x, y, d, log);
            Kernel.Reference.Backward(y, dy, dx, d, log);
            (float[] actual, float[] gradient) = Run(Arena(device), x, [40, d], dy, log);
            Tol.Close(actual, y, 2e-6, "y");
            Tol.Close(gradient, dx, 5e-6, "dx");
        }
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    [FiniteDifferences(typeof(Ops.LogSoftmax), typeof(Ops.Softmax))]
    public void Gradients_match_finite_differences(string device)
    {
        GradCheck.Verify(Arena(device), (tape, x) => Ops.Softmax.Forward(tape, x[0]), [(GradCheck.Values(30, 3), [3, 10])]);
        GradCheck.Verify(Arena(device), (tape, x) => Ops.LogSoftmax.Forward(tape, x[0]), [(GradCheck.Values(30, 3), [3, 10])]);
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void A_row_of_minus_infinity_gives_zeros(string device)
    {
        float[] x = new float[11];
        x.AsSpan().Fill(float.NegativeInfinity);
        (float[] y, float[] dx) = Run(Arena(device), x, [1, 11], GradCheck.Values(11, 1), log: false);
        Assert.All(y.Concat(dx), v => Assert.Equal(0, v));
    }

    [Theory]
    [Trait("Category", "Fixtures")]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Softmax_matches_torch(string device)
    {
        using FixtureFile file = FixtureFile.Open("ops", "softmax.safetensors");
        List<string> failures = [];
        foreach (string name in file.Cases)
        {
            string op = file.Attributes(name).GetProperty("op").GetString()!;
            int axis = file.Attributes(name).GetProperty("dim").GetInt32();
            Assert.True(op is "softmax" or "log_softmax" && axis == -1, $"{name}: op '{op}' over axis {axis} is not known to this test");
            (float[] x, int[] shape) = file.Tensor(name, "x");
            (float[] y, float[] dx) = Run(Arena(device), x, shape, file.Floats(name, "dy"), op == "log_softmax");
            failures.AddRange(Failures.Of(() => Tol.Close(y, file.Floats(name, "y"), 5e-6, $"{device} {name}.y")));
            failures.AddRange(Failures.Of(() => Tol.Close(dx, file.Floats(name, "dx"), 5e-6, $"{device} {name}.dx")));
        }

        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }
}
