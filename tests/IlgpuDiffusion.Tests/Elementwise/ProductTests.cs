using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Autograd;
using Kernel = IlgpuDiffusion.Kernels.Elementwise.Multiply;

namespace IlgpuDiffusion.Tests.Elementwise;

/// Multiply, Subtract and Scale.
public class ProductTests(Devices devices) : DeviceTest(devices)
{
    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void They_match_the_reference_at_awkward_sizes(string device)
    {
        foreach (int n in (int[])[1, 9, 8193])
        {
            float[] a = GradCheck.Values(n, 1), b = GradCheck.Values(n, 2), dy = GradCheck.Values(n, 3), y = new float[n];
            Kernel.Reference.Forward(a, b, y);
            OpResult.Of(Arena(device), (t, i) => Ops.Multiply.Forward(t, i[0], i[1]), dy, (a, [n]), (b, [n]))
                .Matches(0, y, [.. dy.Zip(b, (p, q) => p * q)], [.. dy.Zip(a, (p, q) => p * q)]);
            Kernels.Elementwise.Subtract.Reference.Forward(a, b, y);
            OpResult.Of(Arena(device), (t, i) => Ops.Subtract.Forward(t, i[0], i[1]), dy, (a, [n]), (b, [n])).Matches(0, y, dy, [.. dy.Select(v => -v)]);
            Kernels.Elementwise.Scale.Reference.Forward(a, 0.3f, y);
            OpResult.Of(Arena(device), (t, i) => Ops.Scale.Forward(t, i[0], 0.3f), dy, (a, [n])).Matches(0, y, [.. dy.Select(v => 0.3f * v)]);
        }
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void A_row_multiplies_every_row(string device)
    {
        foreach ((int rows, int width) in ((int, int)[])[(1, 1), (15, 7), (33, 300)])
        {
            float[] x = GradCheck.Values(rows * width, 1), r = GradCheck.Values(width, 2), dy = GradCheck.Values(x.Length, 3);
            float[] y = new float[x.Length], dx = new float[x.Length], dr = new float[width];
            Kernel.Reference.Forward(x, r, y);
            Kernel.Reference.Forward(dy, r, dx);
            Kernel.Reference.BackwardRow(x, dy, dr);
            OpResult.Of(Arena(device), (t, i) => Ops.Multiply.Forward(t, i[0], i[1]), dy, (x, [rows, width]), (r, [width])).Matches(1e-6, y, dx, dr);
        }
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    [FiniteDifferences(typeof(Ops.Multiply), typeof(Ops.Subtract))]
    public void Gradients_match_finite_differences(string device)
    {
        Arena arena = Arena(device);
        float[] a = GradCheck.Values(30, 4), b = GradCheck.Values(30, 5);
        GradCheck.Verify(arena, (t, i) => Ops.Multiply.Forward(t, i[0], i[1]), [(a, [5, 6]), (b, [5, 6])]);
        GradCheck.Verify(arena, (t, i) => Ops.Multiply.Forward(t, i[0], i[1]), [(a, [5, 6]), (b[..6], [6])]);
        GradCheck.Verify(arena, (t, i) => Ops.Subtract.Forward(t, i[0], i[1]), [(a, [5, 6]), (b, [5, 6])]);
    }
}
