using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Autograd;
using IlgpuDiffusion.Tests.Fixtures;
using Kernel = IlgpuDiffusion.Kernels.Norm.LayerNorm;

namespace IlgpuDiffusion.Tests.Norm;

public class LayerNormTests(Devices devices) : DeviceTest(devices)
{
    [Theory]
    [InlineData("cpu", 1, 1)]
    [InlineData("cpu", 3, 5)]
    [InlineData("cpu", 131, 33)]
    [InlineData("cpu", 65, 768)]
    [InlineData("cpu-sim", 3, 5)]
    [InlineData("cpu-sim", 67, 33)]
    [InlineData("ptx-sim", 3, 5)]
    [InlineData("ptx-sim", 67, 33)]
    [InlineData("opencl", 3, 5)]
    [InlineData("opencl", 131, 33)]
    public void Forward_and_backward_match_the_reference(string device, int rows, int d)
    {
        float[] x = GradCheck.Values(rows * d, 1), w = GradCheck.Values(d, 2), bias = GradCheck.Values(d, 3), dy = GradCheck.Values(x.Length, 4);
        float[] y = new float[x.Length], dx = new float[x.Length], dw = new float[d], db = new float[d];
        Kernel.Reference.Forward(x, w, bias, y, 1e-5f);
        Kernel.Reference.Backward(x, w, dy, dx, dw, db, 1e-5f);

        Run run = Run.LayerNorm(Arena(device), x, [rows, d], w, bias, dy, 1e-5f);
        Tol.Close(run.Y, y, 2e-6, "y");
        Tol.Close(run.Dx, dx, 1e-5, "dx");
        Tol.Close(run.DWeight, dw, 5e-6, "dweight");
        Tol.Close(run.DBias, db, 5e-6, "dbias");
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    [FiniteDifferences(typeof(Ops.LayerNorm))]
    public void Gradient_matches_finite_differences(string device) =>
        GradCheck.Verify(
            Arena(device),
            (tape, t) => Ops.LayerNorm.Forward(tape, t[0], t[1], t[2], 1e-3f),
            [(GradCheck.Values(4 * 7, 5), [2, 2, 7]), (GradCheck.Values(7, 6), [7]), (GradCheck.Values(7, 7), [7])]);

    [Fact]
    public void The_number_of_threads_does_not_change_a_bit()
    {
        float[] x = GradCheck.Values(300 * 40, 1), w = GradCheck.Values(40, 2), bias = GradCheck.Values(40, 3), dy = GradCheck.Values(x.Length, 4);
        Run[] runs = new Run[2];
        for (int threads = 1; threads <= 2; threads++)
        {
            using Device device = IlgpuDiffusion.Tensors.Device.Open("cpu", threads);
            using Arena arena = new(device, 1 << 20);
            runs[threads - 1] = Run.LayerNorm(arena, x, [300, 40], w, bias, dy, 1e-5f);
        }

        Assert.Equal(runs[0].Y, runs[1].Y);
        Assert.Equal(runs[0].Dx, runs[1].Dx);
        Assert.Equal(runs[0].DWeight, runs[1].DWeight);
        Assert.Equal(runs[0].DBias, runs[1].DBias);
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void A_frozen_norm_passes_the_gradient_through(string device)
    {
        Tape tape = new(Arena(device));
        Tensor x = tape.From([1, 2, 4], [1, 3]), w = tape.From([1, 1, 1], [3]);
        x.RequiresGrad = true;
        tape.Backward(Ops.LayerNorm.Forward(tape, x, w, w, 1e-5f), tape.From([1, 0, 0], [1, 3]));
        Assert.Equal(0, x.Grad!.ToArray().Sum(), 1e-6f);
        Assert.Null(w.Grad);
    }
}
