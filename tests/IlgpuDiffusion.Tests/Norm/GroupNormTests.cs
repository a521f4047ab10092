using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Autograd;
using IlgpuDiffusion.Tests.Fixtures;
using Kernel = IlgpuDiffusion.Kernels.Norm.GroupNorm;

namespace IlgpuDiffusion.Tests.Norm;

public class GroupNormTests(Devices devices) : DeviceTest(devices)
{
    // Groups of one channel, one group, channels that are no multiple of a register, one pixel, many tiles, many samples.
    static readonly (int B, int P, int C, int G)[] Sizes =
        [(1, 1, 1, 1), (2, 15, 7, 7), (3, 9, 12, 1), (1, 1, 32, 32), (2, 35, 24, 6), (9, 5, 10, 5), (1, 300, 48, 4)];

    public static TheoryData<string, int, int, int, int, bool> Cases
    {
        get
        {
            TheoryData<string, int, int, int, int, bool> cases = [];
            foreach (string device in (string[])["cpu", "cpu-sim", "ptx-sim", "opencl"])
            {
                foreach ((int b, int p, int c, int g) in Sizes)
                {
                    cases.Add(device, b, p, c, g, false);
                    cases.Add(device, b, p, c, g, true);
                }
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Forward_and_backward_match_the_reference(string device, int b, int p, int c, int g, bool silu)
    {
        Kernel.Dims d = new(b, p, c, g);
        float[] x = GradCheck.Values(b * p * c, 1), w = GradCheck.Values(c, 2), bias = GradCheck.Values(c, 3), dy = GradCheck.Values(x.Length, 4);
        float[] y = new float[x.Length], dx = new float[x.Length], dw = new float[c], db = new float[c];
        Kernel.Reference.Forward(x, w, bias, y, d, 1e-5f, silu);
        Kernel.Reference.Backward(x, w, bias, dy, dx, dw, db, d, 1e-5f, silu);

        Run run = Run.GroupNorm(Arena(device), x, [b, p, c], w, bias, dy, g, 1e-5f, silu);
        Tol.Close(run.Y, y, 2e-6, "y");
        Tol.Close(run.Dx, dx, 1e-5, "dx");
        Tol.Close(run.DWeight, dw, 5e-6, "dweight");
        Tol.Close(run.DBias, db, 5e-6, "dbias");
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    [FiniteDifferences(typeof(Ops.GroupNorm))]
    public void Gradient_matches_finite_differences(string device)
    {
        foreach (bool silu in (bool[])[false, true])
        {
            GradCheck.Verify(
                Arena(device),
                (tape, t) => Ops.GroupNorm.Forward(tape, t[0], t[1], t[2], 3, 1e-3f, silu),
                [(GradCheck.Values(2 * 4 * 6, 5), [2, 2, 2, 6]), (GradCheck.Values(6, 6), [6]), (GradCheck.Values(6, 7), [6])]);
        }
    }

    [Theory]
    [InlineData(2, 300, 48)]
    [InlineData(9, 70, 20)]
    public void The_number_of_threads_does_not_change_a_bit(int b, int p, int c)
    {
        float[] x = GradCheck.Values(b * p * c, 1), w = GradCheck.Values(c, 2), bias = GradCheck.Values(c, 3), dy = GradCheck.Values(x.Length, 4);
        Run[] runs = new Run[2];
        for (int threads = 1; threads <= 2; threads++)
        {
            using Device device = IlgpuDiffusion.Tensors.Device.Open("cpu", threads);
            using Arena arena = new(device, 1 << 20);
            runs[threads - 1] = Run.GroupNorm(arena, x, [b, p, c], w, bias, dy, 4, 1e-5f, true);
        }

        Assert.Equal(runs[0].Y, runs[1].Y);
        Assert.Equal(runs[0].Dx, runs[1].Dx);
        Assert.Equal(runs[0].DWeight, runs[1].DWeight);
        Assert.Equal(runs[0].DBias, runs[1].DBias);
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Parameters_accumulate_and_a_frozen_input_gets_nothing(string device)
    {
        Tape tape = new(Arena(device));
        Tensor x = tape.From(GradCheck.Values(24, 1), [2, 3, 4]), w = tape.From([1, 2, 3, 4], [4]), b = tape.From([0, 0, 0, 0], [4]);
        w.RequiresGrad = true;
        Tensor dy = tape.From(GradCheck.Values(24, 2), [2, 3, 4]);
        tape.Backward(Ops.GroupNorm.Forward(tape, x, w, b, 2, 1e-5f, true), dy);
        float[] once = w.Grad!.ToArray();
        tape.Backward(Ops.GroupNorm.Forward(tape, x, w, b, 2, 1e-5f, true), dy);
        Assert.Equal(Array.ConvertAll(once, v => 2 * v), w.Grad!.ToArray());
        Assert.Null(x.Grad);
        Assert.Null(b.Grad);
    }

    [Fact]
    public void Channels_that_do_not_divide_are_named()
    {
        Tape tape = new(Arena("cpu"));
        Tensor x = tape.Zeros([1, 2, 320]), w = tape.Zeros([320]);
        Assert.Contains("C = 320 is not divisible by G = 48", Assert.Throws<ArgumentException>(() => Ops.GroupNorm.Forward(tape, x, w, w, 48, 1e-5f)).Message);
    }
}
