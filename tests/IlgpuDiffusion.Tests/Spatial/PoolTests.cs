using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Spatial;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Autograd;

namespace IlgpuDiffusion.Tests.Spatial;

/// AveragePool, MaxPool and GlobalAveragePool.
public class PoolTests(Devices devices) : DeviceTest(devices)
{
    // (B, H, W, C, kernel, stride, padding): overlapping, padded, and with rows that no window covers.
    static readonly (int B, int H, int W, int C, int K, int S, int P)[] Cases =
        [(1, 1, 1, 1, 1, 1, 0), (2, 8, 6, 3, 2, 2, 0), (2, 9, 8, 11, 3, 2, 0), (1, 7, 5, 9, 3, 1, 1), (1, 11, 10, 4, 2, 3, 1)];

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Average_matches_the_reference_and_its_backward_is_the_transpose(string device)
    {
        foreach ((int b, int h, int w, int c, int k, int s, int p) in Cases)
        {
            PoolWindows windows = PoolWindows.Of(h, w, c, k, s, p);
            float[] x = GradCheck.Values(b * h * w * c, 1), y = new float[b * windows.OutH * windows.OutW * c], dy = GradCheck.Values(y.Length, 2);
            AveragePool.Reference.Forward(x, y, b, windows);
            OpResult result = OpResult.Of(Arena(device), (t, i) => Ops.AveragePool.Forward(t, i[0], k, s, p), dy, (x, [b, h, w, c]));
            result.Matches(1e-6, y);
            double forward = y.Zip(dy, (v, g) => (double)v * g).Sum(), backward = x.Zip(result.Gradients[0], (v, g) => (double)v * g).Sum();
            Assert.Equal(forward, backward, 1e-4);
        }
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Largest_matches_the_reference_with_ties_and_not_a_number(string device)
    {
        foreach ((int b, int h, int w, int c, int k, int s, int p) in Cases)
        {
            PoolWindows windows = PoolWindows.Of(h, w, c, k, s, p);
            // Few different values, so that windows have ties.
            float[] x = [.. GradCheck.Values(b * h * w * c, 1).Select(v => MathF.Round(2 * v))];
            x[^1] = float.NaN;
            float[] y = new float[b * windows.OutH * windows.OutW * c], dy = GradCheck.Values(y.Length, 2), dx = new float[x.Length];
            int[] argmax = new int[y.Length];
            MaxPool.Reference.Forward(x, y, argmax, b, windows);
            MaxPool.Reference.Backward(dy, argmax, dx, b, windows);
            OpResult.Of(Arena(device), (t, i) => Ops.MaxPool.Forward(t, i[0], k, s, p), dy, (x, [b, h, w, c])).Matches(1e-6, y, dx);
        }
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Global_average_matches_the_reference(string device)
    {
        float[] x = GradCheck.Values(2 * 17 * 9 * 70, 1), dy = GradCheck.Values(140, 2), y = new float[140], dx = new float[x.Length];
        ColumnSum.Reference.Forward(x, y, 2, 17 * 9, 70, 1f / 153);
        Broadcast.Reference.Forward(dy, dx, 153, 70, 1f / 153);
        OpResult.Of(Arena(device), (t, i) => Ops.GlobalAveragePool.Forward(t, i[0]), dy, (x, [2, 17, 9, 70])).Matches(1e-6, y, dx);
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    [FiniteDifferences(typeof(Ops.AveragePool), typeof(Ops.GlobalAveragePool), typeof(Ops.MaxPool))]
    public void Gradients_match_finite_differences(string device)
    {
        Arena arena = Arena(device);
        float[] x = GradCheck.Values(2 * 5 * 4 * 3, 3);
        GradCheck.Verify(arena, (t, i) => Ops.AveragePool.Forward(t, i[0], 3, 2, 1), [(x, [2, 5, 4, 3])]);
        GradCheck.Verify(arena, (t, i) => Ops.GlobalAveragePool.Forward(t, i[0]), [(x, [2, 5, 4, 3])]);
        // Values 0.1 apart, so that a small step changes no choice.
        float[] apart = [.. Enumerable.Range(0, 60).Select(i => 0.1f * (i * 37 % 60))];
        GradCheck.Verify(arena, (t, i) => Ops.MaxPool.Forward(t, i[0], 2, 2), [(apart, [1, 5, 4, 3])]);
    }

    [Fact]
    public void Windows_that_do_not_fit_are_refused()
    {
        IlgpuDiffusion.Autograd.Tape tape = new(Arena("cpu"));
        Tensor x = tape.Zeros([1, 4, 4, 1]);
        Assert.Throws<ArgumentException>(() => Ops.MaxPool.Forward(tape, x, 5, 1));
        Assert.Throws<ArgumentException>(() => Ops.AveragePool.Forward(tape, x, 2, 1, padding: 2));
    }
}
