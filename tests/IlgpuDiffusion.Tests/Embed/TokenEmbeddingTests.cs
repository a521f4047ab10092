using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Autograd;
using Kernel = IlgpuDiffusion.Kernels.Embed.TokenEmbedding;

namespace IlgpuDiffusion.Tests.Embed;

public class TokenEmbeddingTests(Devices devices) : DeviceTest(devices)
{
    static readonly int[] Ids = [3, 0, 3, 10, 3, 0, 7];

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Forward_and_backward_match_the_reference_bit_for_bit(string device)
    {
        float[] table = GradCheck.Values(11 * 5, 1), dy = GradCheck.Values(7 * 5, 2), y = new float[35], dTable = new float[55];
        Kernel.Reference.Forward(Ids, table, y, 5);
        Kernel.Reference.Backward(Ids, dy, dTable, 5);

        Tape tape = new(Arena(device));
        Tensor t = tape.From(table, [11, 5]);
        t.RequiresGrad = true;
        Tensor output = Ops.TokenEmbedding.Forward(tape, Ids, [7], t);
        tape.Backward(output, tape.From(dy, [7, 5]));
        Assert.Equal(y, output.ToArray());
        Assert.Equal(dTable, t.Grad!.ToArray());
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    [FiniteDifferences(typeof(Ops.TokenEmbedding))]
    public void Gradient_matches_finite_differences(string device) =>
        GradCheck.Verify(Arena(device), (tape, x) => Ops.TokenEmbedding.Forward(tape, Ids, [7], x[0]), [(GradCheck.Values(55, 3), [11, 5])]);

    [Fact]
    public void The_number_of_threads_does_not_change_a_bit()
    {
        int[] ids = [.. Enumerable.Range(0, 500).Select(n => n * n % 37)];
        float[][] gradients = new float[2][];
        for (int threads = 1; threads <= 2; threads++)
        {
            using Device device = IlgpuDiffusion.Tensors.Device.Open("cpu", threads);
            using Arena arena = new(device, 1 << 20);
            Tape tape = new(arena);
            Tensor table = tape.Zeros([37, 700]);
            table.RequiresGrad = true;
            tape.Backward(Ops.TokenEmbedding.Forward(tape, ids, [500], table), tape.From(GradCheck.Values(500 * 700, 1), [500, 700]));
            gradients[threads - 1] = table.Grad!.ToArray();
        }

        Assert.Equal(gradients[0], gradients[1]);
    }

    [Fact]
    public void An_id_outside_the_table_is_named()
    {
        Tape tape = new(Arena("cpu"));
        Assert.Contains("id 11 outside a table of 11 rows", Assert.Throws<ArgumentException>(() => Ops.TokenEmbedding.Forward(tape, [11], [1], tape.Zeros([11, 2]))).Message);
    }
}
