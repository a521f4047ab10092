using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Kernels.Loss;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Autograd;
using Reference = IlgpuDiffusion.Kernels.Loss.PointwiseLoss.Reference;

namespace IlgpuDiffusion.Tests.Loss;

/// Mse, L1 and SmoothL1, with masks and sample weights.
public class PointwiseLossTests(Devices devices) : DeviceTest(devices)
{
    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Losses_match_the_reference_at_awkward_sizes(string device)
    {
        foreach (int n in (int[])[1, 7, 257, 20001])
        {
            Verify<Mse>(device, n, 0, (t, x, y) => Ops.Mse.Forward(t, x, y));
            Verify<L1>(device, n, 0, (t, x, y) => Ops.L1.Forward(t, x, y));
            Verify<SmoothL1>(device, n, 0.3f, (t, x, y) => Ops.SmoothL1.Forward(t, x, y, 0.3f));
        }
    }

    void Verify<T>(string device, int n, float beta, Func<Tape, Tensor, Tensor, Tensor> op)
        where T : struct, IPointwiseLoss
    {
        float[] x = GradCheck.Values(n, 1), target = GradCheck.Values(n, 2), dx = new float[n];
        LossWeights whole = new(1, n, 0);
        double loss = Reference.Forward<T>(x, target, [], [1f / n], whole, beta);
        Reference.Backward<T>(x, target, [], [1f / n], 3, dx, whole, beta);
        OpResult.Of(Arena(device), (t, i) => op(t, i[0], i[1]), [3], (x, [n]), (target, [n])).Matches(1e-6, [(float)loss], dx, [.. dx.Select(d => -d)]);
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void A_masked_loss_is_the_mean_over_what_the_mask_selects(string device)
    {
        float[] x = GradCheck.Values(2 * 3 * 5, 1), target = GradCheck.Values(x.Length, 2);
        float[] mask = [1, 0, 1, 0, 0.5f, 0];
        foreach (float[] weights in (float[][])[[], [0.5f, 3]])
        {
            // Written out: rows (b, t) of five channels, each with its mask value.
            double expected = 0;
            if (weights.Length == 0)
                expected = Rows(0, 6).Sum / Rows(0, 6).Count;
            for (int b = 0; b < weights.Length; b++)
                expected += weights[b] * Rows(3 * b, 3).Sum / Rows(3 * b, 3).Count / 2;
            OpResult.Of(
                Arena(device), (t, i) => Ops.Mse.Forward(t, i[0], i[1], t.From(mask, [2, 3, 1]), weights), null, (x, [2, 3, 5]), (target, [2, 3, 5]))
                .Matches(1e-6, [(float)expected]);
        }

        (double Sum, double Count) Rows(int from, int rows)
        {
            double sum = 0, count = 0;
            for (int i = from * 5; i < (from + rows) * 5; i++)
            {
                sum += mask[i / 5] * Math.Pow((double)x[i] - target[i], 2);
                count += mask[i / 5];
            }

            return (sum, count);
        }
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void An_empty_mask_gives_zero_and_no_gradient(string device) =>
        OpResult.Of(Arena(device), (t, i) => Ops.Mse.Forward(t, i[0], t.Zeros([2, 2]), t.Zeros([2, 2])), [1], ([1, 2, 3, 4], [2, 2]))
            .Matches(0, [0], [0, 0, 0, 0]);

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    [FiniteDifferences(typeof(Ops.L1), typeof(Ops.Mse), typeof(Ops.SmoothL1))]
    public void Gradients_match_finite_differences(string device)
    {
        Arena arena = Arena(device);
        (float[], int[])[] inputs = [(GradCheck.Values(24, 3), [2, 3, 4]), (GradCheck.Values(24, 4), [2, 3, 4])];
        float[] mask = [1, 0, 1, 0.5f, 1, 0], weights = [0.5f, 2];
        GradCheck.Verify(arena, (t, i) => Ops.Mse.Forward(t, i[0], i[1]), inputs);
        GradCheck.Verify(arena, (t, i) => Ops.Mse.Forward(t, i[0], i[1], t.From(mask, [2, 3, 1]), weights), inputs);
        GradCheck.Verify(arena, (t, i) => Ops.Mse.Forward(t, i[0], i[1], t.From([.. mask, .. mask, .. mask, .. mask], [2, 3, 4])), inputs);
        GradCheck.Verify(arena, (t, i) => Ops.SmoothL1.Forward(t, i[0], i[1], 0.3f), inputs);
        GradCheck.Verify(arena, (t, i) => Ops.L1.Forward(t, i[0], i[1]), inputs, step: 1e-3f);
    }

    [Fact]
    public void Cpu_gives_the_same_bits_for_any_number_of_threads()
    {
        float[] x = GradCheck.Values(100_000, 1), target = GradCheck.Values(100_000, 2);
        float Run(int threads)
        {
            using Device device = IlgpuDiffusion.Tensors.Device.Open("cpu", threads);
            using Arena arena = new(device);
            return OpResult.Of(arena, (t, i) => Ops.Mse.Forward(t, i[0], i[1]), null, (x, [x.Length]), (target, [x.Length])).Y[0];
        }

        Assert.Equal(Run(1), Run(3));
    }
}
