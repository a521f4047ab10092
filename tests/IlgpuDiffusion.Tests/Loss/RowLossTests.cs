using IlgpuDiffusion.Kernels.Loss;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Autograd;

namespace IlgpuDiffusion.Tests.Loss;

/// CosineSimilarity, L2Normalize and CrossEntropy: one value or one scale a row.
public class RowLossTests(Devices devices) : DeviceTest(devices)
{
    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void They_match_the_references_at_awkward_sizes(string device)
    {
        foreach ((int rows, int d) in ((int, int)[])[(1, 2), (5, 17), (30, 513)])
        {
            float[] a = GradCheck.Values(rows * d, 1), b = GradCheck.Values(rows * d, 2), perRow = new float[rows], all = new float[a.Length];
            CosineSimilarity.Reference.Forward(a, b, perRow, d);
            OpResult.Of(Arena(device), (t, i) => Ops.CosineSimilarity.Forward(t, i[0], i[1]), null, (a, [rows, d]), (b, [rows, d])).Matches(5e-6, perRow);

            L2Normalize.Reference.Forward(a, all, d);
            OpResult.Of(Arena(device), (t, i) => Ops.L2Normalize.Forward(t, i[0]), null, (a, [rows, d])).Matches(2e-6, all);

            int[] labels = [.. Enumerable.Range(0, rows).Select(r => r * 7 % d)];
            float[] logits = [.. a.Select(v => 5 * v)];
            CrossEntropy.Reference.Forward(logits, labels, perRow, d);
            float mean = (float)perRow.Average(v => (double)v);
            OpResult.Of(Arena(device), (t, i) => Ops.CrossEntropy.Forward(t, i[0], labels), null, (logits, [rows, d])).Matches(2e-6, [mean]);
        }
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void A_zero_row_gives_zero_and_finite_gradients(string device)
    {
        float[] a = [0, 0, 0, 1, 2, 3], b = [1, 1, 1, 3, 2, 1];
        OpResult cosine = OpResult.Of(Arena(device), (t, i) => Ops.CosineSimilarity.Forward(t, i[0], i[1]), [1, 1], (a, [2, 3]), (b, [2, 3]));
        Assert.Equal(0, cosine.Y[0]);
        Assert.All(cosine.Gradients.SelectMany(g => g), v => Assert.True(float.IsFinite(v)));
        OpResult unit = OpResult.Of(Arena(device), (t, i) => Ops.L2Normalize.Forward(t, i[0]), [1, 1, 1, 1, 1, 1], (a, [2, 3]));
        Assert.Equal([0, 0, 0], unit.Y[..3]);
        Assert.All(unit.Gradients[0], v => Assert.True(float.IsFinite(v)));
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Sum_and_mean_match_the_reference(string device)
    {
        foreach (int n in (int[])[1, 255, 257, 70001])
        {
            float[] x = [.. GradCheck.Values(n, 1).Select(v => v + 1)];
            float sum = (float)Kernels.Common.OrderedSum.Reference.Forward(x, 1), mean = (float)Kernels.Common.OrderedSum.Reference.Forward(x, 1.0 / n);
            OpResult.Of(Arena(device), (t, i) => Ops.Sum.Forward(t, i[0]), [2], (x, [n])).Matches(1e-6, [sum], [.. x.Select(_ => 2f)]);
            OpResult.Of(Arena(device), (t, i) => Ops.Mean.Forward(t, i[0]), [2], (x, [n])).Matches(1e-6, [mean], [.. x.Select(_ => 2f / n)]);
        }
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    [FiniteDifferences(typeof(Ops.CosineSimilarity), typeof(Ops.CrossEntropy), typeof(Ops.L2Normalize), typeof(Ops.Mean), typeof(Ops.Sum))]
    public void Gradients_match_finite_differences(string device)
    {
        Arena arena = Arena(device);
        float[] a = GradCheck.Values(20, 1), b = GradCheck.Values(20, 2);
        GradCheck.Verify(arena, (t, i) => Ops.CosineSimilarity.Forward(t, i[0], i[1]), [(a, [4, 5]), (b, [4, 5])]);
        GradCheck.Verify(arena, (t, i) => Ops.L2Normalize.Forward(t, i[0]), [(a, [2, 2, 5])]);
        GradCheck.Verify(arena, (t, i) => Ops.CrossEntropy.Forward(t, i[0], [0, 4, 2, 2]), [(a, [4, 5])]);
        GradCheck.Verify(arena, (t, i) => Ops.Mean.Forward(t, i[0]), [(a, [4, 5])]);
        GradCheck.Verify(arena, (t, i) => Ops.Sum.Forward(t, i[0]), [(a, [20])]);
    }
}
