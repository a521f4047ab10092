using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Autograd;
using Kernel = IlgpuDiffusion.Kernels.Elementwise.AddChannels;

namespace IlgpuDiffusion.Tests.Elementwise;

/// AddChannels and AddRows: one kernel, seen as many samples of rows and as one sample of long rows.
public class BroadcastTests(Devices devices) : DeviceTest(devices)
{
    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Channels_match_the_reference(string device)
    {
        foreach ((int b, int h, int w, int c) in ((int, int, int, int)[])[(1, 1, 1, 1), (2, 3, 5, 7), (3, 9, 11, 70)])
        {
            float[] x = GradCheck.Values(b * h * w * c, 1), v = GradCheck.Values(b * c, 2), dy = GradCheck.Values(x.Length, 3);
            float[] y = new float[x.Length], dv = new float[v.Length];
            Kernel.Reference.Forward(x, v, y, h * w, c);
            ColumnSum.Reference.Forward(dy, dv, b, h * w, c, 1);
            OpResult.Of(Arena(device), (t, i) => Ops.AddChannels.Forward(t, i[0], i[1]), dy, (x, [b, h, w, c]), (v, [b, c])).Matches(1e-6, y, dy, dv);
        }
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Rows_of_a_longer_table_are_added_and_only_they_get_a_gradient(string device)
    {
        float[] x = GradCheck.Values(3 * 5 * 7, 1), table = GradCheck.Values(6 * 7, 2), dy = GradCheck.Values(x.Length, 3);
        float[] y = new float[x.Length], dTable = new float[table.Length];
        Kernel.Reference.Forward(x, table, y, 3, 5 * 7);
        ColumnSum.Reference.Forward(dy, dTable, 1, 3, 5 * 7, 1);
        OpResult.Of(Arena(device), (t, i) => Ops.AddRows.Forward(t, i[0], i[1]), dy, (x, [3, 5, 7]), (table, [6, 7])).Matches(1e-6, y, dy, dTable);
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void The_gradient_of_a_table_used_twice_accumulates(string device)
    {
        Tape tape = new(Arena(device));
        Tensor table = tape.From([1, 2], [1, 2]);
        table.RequiresGrad = true;
        Tensor y = Ops.AddRows.Forward(tape, Ops.AddRows.Forward(tape, tape.From([0, 0], [1, 1, 2]), table), table);
        tape.Backward(y, tape.From([3, 4], [1, 1, 2]));
        Assert.Equal([6, 8], table.Grad!.ToArray());
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    [FiniteDifferences(typeof(Ops.Add), typeof(Ops.AddChannels), typeof(Ops.AddRows), typeof(Ops.Scale))]
    public void Gradients_match_finite_differences(string device)
    {
        float[] x = GradCheck.Values(2 * 3 * 5, 4);
        GradCheck.Verify(Arena(device), (t, i) => Ops.AddChannels.Forward(t, i[0], i[1]), [(x, [2, 3, 5]), (GradCheck.Values(10, 5), [2, 5])]);
        GradCheck.Verify(Arena(device), (t, i) => Ops.AddRows.Forward(t, i[0], i[1]), [(x, [2, 3, 5]), (GradCheck.Values(20, 5), [4, 5])]);
        GradCheck.Verify(Arena(device), (t, i) => Ops.Scale.Forward(t, i[0], -1.5f), [(x, [30])]);
        GradCheck.Verify(Arena(device), (t, i) => Ops.Add.Forward(t, i[0], i[1]), [(x, [30]), (GradCheck.Values(30, 6), [30])]);
    }
}
