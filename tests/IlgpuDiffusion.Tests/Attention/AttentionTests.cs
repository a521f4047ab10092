using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Autograd;
using IlgpuDiffusion.Tests.Fixtures;
using Kernel = IlgpuDiffusion.Kernels.Attention.Attention;

namespace IlgpuDiffusion.Tests.Attention;

public class AttentionTests(Devices devices) : DeviceTest(devices)
{
    /// Output and gradients, on the host.
    internal sealed record Run(float[] Y, float[] Dq, float[] Dk, float[] Dv)
    {
        public static Run Of(Arena arena, Kernel.Dims d, float[] q, float[] k, float[] v, float[] dy, float[]? bias = null)
        {
            Tape tape = new(arena);
            Tensor tq = tape.From(q, [d.B, d.Queries, d.Stride]), tk = tape.From(k, [d.B, d.Keys, d.Stride]), tv = tape.From(v, [d.B, d.Keys, d.Stride]);
            tq.RequiresGrad = tk.RequiresGrad = tv.RequiresGrad = true;
            Shape biasShape = [d.BiasSample > 0 ? d.B : 1, d.BiasHead > 0 ? d.Heads : 1, d.Queries, d.Keys];
            Tensor y = Ops.Attention.Forward(tape, tq, tk, tv, d.Heads, d.Causal != 0, bias is null ? null : tape.From(bias, biasShape), d.Scale);
            tape.Backward(y, tape.From(dy, tq.Shape));
            return new Run(y.ToArray(), tq.Grad!.ToArray(), tk.Grad!.ToArray(), tv.Grad!.ToArray());
        }

        public static Run Random(Arena arena, Kernel.Dims d, float[]? bias = null)
        {
            (float[] q, float[] k, float[] v, float[] dy) = Inputs(d);
            return Of(arena, d, q, k, v, dy, bias);
        }
    }

    static (float[] Q, float[] K, float[] V, float[] Dy) Inputs(Kernel.Dims d)
    {
        int queries = d.B * d.Queries * d.Stride, keys = d.B * d.Keys * d.Stride;
        return (GradCheck.Values(queries, 1), GradCheck.Values(keys, 2), GradCheck.Values(keys, 3), GradCheck.Values(queries, 4));
    }

    // Positions beyond a tile, few and many heads, D that is no multiple of a register, one of everything.
    static readonly Kernel.Dims[] Sizes =
    [
        new(1, 1, 1, 1, 1, 1, false),
        new(2, 7, 11, 3, 5, 0.4f, false),
        new(1, 13, 13, 1, 32, 0.2f, true),
        new(1, 70, 77, 2, 24, 0.3f, false),
        new(1, 130, 130, 1, 8, 0.5f, true),
        new(5, 66, 65, 4, 9, 0.5f, false),
        new(2, 9, 66, 2, 4, 1, true, true, true, true),
        new(1, 200, 197, 2, 40, 0.2f, false),
        new(1, 197, 293, 9, 20, 0.2f, true),
    ];

    public static TheoryData<string, int> Cases
    {
        get
        {
            TheoryData<string, int> cases = [];
            foreach (string device in (string[])["cpu", "cpu-sim", "ptx-sim", "opencl"])
            {
                for (int i = 0; i < Sizes.Length; i++)
                    cases.Add(device, i);
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Forward_and_backward_match_the_reference(string device, int size)
    {
        Kernel.Dims d = Sizes[size];
        (float[] q, float[] k, float[] v, float[] dy) = Inputs(d);
        float[]? bias = d.Biased != 0 ? GradCheck.Values(d.B * d.Heads * d.Queries * d.Keys, 5) : null;
        float[] y = new float[q.Length], dq = new float[q.Length], dk = new float[k.Length], dv = new float[k.Length];
        Kernel.Reference.Forward(q, k, v, bias, y, d);
        Kernel.Reference.Backward(q, k, v, bias, dy, dq, dk, dv, d);
        Run run = Run.Of(Arena(device), d, q, k, v, dy, bias);
        Tol.Close(run.Y, y, 5e-6, "y");
        Tol.Close(run.Dq, dq, 2e-5, "dq");
        Tol.Close(run.Dk, dk, 2e-5, "dk");
        Tol.Close(run.Dv, dv, 5e-6, "dv");
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    [FiniteDifferences(typeof(Ops.Attention))]
    public void Gradient_matches_finite_differences(string device)
    {
        foreach (bool causal in (bool[])[false, true])
        {
            GradCheck.Verify(
                Arena(device),
                (tape, x) => Ops.Attention.Forward(tape, x[0], x[1], x[2], 2, causal),
                [(GradCheck.Values(2 * 5 * 6, 1), [2, 5, 6]), (GradCheck.Values(2 * 4 * 6, 2), [2, 4, 6]), (GradCheck.Values(2 * 4 * 6, 3), [2, 4, 6])]);
        }
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void A_row_without_any_key_gives_zeros_and_no_NaN(string device)
    {
        Kernel.Dims d = new(1, 3, 70, 1, 8, 0.3f, false, true);
        float[] bias = new float[3 * 70];
        bias.AsSpan(70, 70).Fill(float.NegativeInfinity);
        bias.AsSpan(0, 66).Fill(float.NegativeInfinity);
        Run run = Run.Random(Arena(device), d, bias);
        Assert.All(run.Y.AsSpan(8, 8).ToArray(), v => Assert.Equal(0, v));
        Assert.All(run.Dq.AsSpan(8, 8).ToArray(), v => Assert.Equal(0, v));
        Assert.All(run.Y.Concat(run.Dq).Concat(run.Dk).Concat(run.Dv), v => Assert.True(float.IsFinite(v)));
        Assert.Contains(run.Y.AsSpan(0, 8).ToArray(), v => v != 0);
    }

    [Theory]
    [InlineData(1, 2)]
    [InlineData(4, 4)]
    public void The_number_of_threads_does_not_change_a_bit(int b, int heads)
    {
        Kernel.Dims d = new(b, 140, 150, heads, 12, 0.3f, false);
        Run[] runs = new Run[2];
        for (int threads = 1; threads <= 2; threads++)
        {
            using Device device = IlgpuDiffusion.Tensors.Device.Open("cpu", threads);
            using Arena arena = new(device, 1 << 20);
            runs[threads - 1] = Run.Random(arena, d);
        }

        Assert.Equal(runs[0].Y, runs[1].Y);
        Assert.Equal(runs[0].Dq, runs[1].Dq);
        Assert.Equal(runs[0].Dk, runs[1].Dk);
        Assert.Equal(runs[0].Dv, runs[1].Dv);
    }

    [Fact]
    public void Only_the_wanted_gradients_are_computed()
    {
        Tape tape = new(Arena("cpu"));
        Tensor q = tape.From(GradCheck.Values(24, 1), [1, 3, 8]), k = tape.From(GradCheck.Values(16, 2), [1, 2, 8]);
        q.RequiresGrad = true;
        Tensor y = Ops.Attention.Forward(tape, q, k, k, 2);
        tape.Backward(y, y);
        Assert.NotNull(q.Grad);
        Assert.Null(k.Grad);
    }
}
