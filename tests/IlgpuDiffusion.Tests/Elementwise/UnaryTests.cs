using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Kernels.Elementwise;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tests.Autograd;
using Reference = IlgpuDiffusion.Kernels.Elementwise.Unary.Reference;

namespace IlgpuDiffusion.Tests.Elementwise;

/// All functions of one variable: the same claims hold for each.
public class UnaryTests(Devices devices) : DeviceTest(devices)
{
    delegate void Forward(ReadOnlySpan<float> x, Span<float> y);

    delegate void Backward(ReadOnlySpan<float> x, ReadOnlySpan<float> dy, Span<float> dx);

    static readonly Dictionary<string, (Func<Tape, Tensor, Tensor> Op, Forward Forward, Backward Backward)> Functions = new()
    {
        ["silu"] = (Ops.Silu.Forward, Reference.Forward<Silu>, Reference.Backward<Silu>),
        ["gelu"] = ((t, x) => Ops.Gelu.Forward(t, x), Reference.Forward<Gelu>, Reference.Backward<Gelu>),
        ["gelu_tanh"] = ((t, x) => Ops.Gelu.Forward(t, x, tanh: true), Reference.Forward<GeluTanh>, Reference.Backward<GeluTanh>),
        ["quick_gelu"] = (Ops.QuickGelu.Forward, Reference.Forward<QuickGelu>, Reference.Backward<QuickGelu>),
        ["relu"] = (Ops.Relu.Forward, Reference.Forward<Relu>, Reference.Backward<Relu>),
        ["sigmoid"] = (Ops.Sigmoid.Forward, Reference.Forward<Sigmoid>, Reference.Backward<Sigmoid>),
        ["tanh"] = (Ops.Tanh.Forward, Reference.Forward<Tanh>, Reference.Backward<Tanh>),
        ["exp"] = (Ops.Exp.Forward, Reference.Forward<Exp>, Reference.Backward<Exp>),
    };

    public static TheoryData<string, string> Cases
    {
        get
        {
            TheoryData<string, string> data = [];
            foreach (string device in Devices.Names.Select(row => (string)row.Data))
            {
                foreach (string function in Functions.Keys)
                    data.Add(device, function);
            }

            return data;
        }
    }

    /// As the fixtures' README states them for float32.
    static double Tolerance(string function) => function is "gelu_tanh" or "quick_gelu" or "sigmoid" ? 5e-6 : function == "silu" ? 2e-6 : 1e-6;

    /// The op by the name that fixtures use, or null.
    public static Func<Tape, Tensor, Tensor>? Op(string name) => Functions.TryGetValue(name, out var f) ? f.Op : null;

    // One element, one less and one more than a vector, one past a pool task.
    [Theory]
    [MemberData(nameof(Cases))]
    public void Forward_and_backward_match_the_reference_at_awkward_sizes(string device, string function)
    {
        (Func<Tape, Tensor, Tensor> op, Forward forward, Backward backward) = Functions[function];
        foreach (int n in (int[])[1, 7, 9, 8193])
        {
            // Far tails only beside values that set the scale: 1 + erf(x) cancels there, in torch as well, so their error is absolute.
            float reach = n > 1000 ? 9 : 1;
            float[] x = [.. GradCheck.Values(n, 1).Select(v => reach * v)], dy = GradCheck.Values(n, 2);
            float[] y = new float[n], dx = new float[n];
            forward(x, y);
            backward(x, dy, dx);
            OpResult.Of(Arena(device), (t, i) => op(t, i[0]), dy, (x, [n])).Matches(Tolerance(function), y, dx);
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    [FiniteDifferences(typeof(Ops.Silu), typeof(Ops.Gelu), typeof(Ops.QuickGelu), typeof(Ops.Relu), typeof(Ops.Sigmoid), typeof(Ops.Tanh), typeof(Ops.Exp))]
    public void Gradient_matches_finite_differences(string device, string function)
    {
        // Away from 0, where relu has a kink.
        float[] x = [.. GradCheck.Values(35, 3).Select(v => MathF.Abs(v) < 0.02f ? v + 0.1f : v)];
        GradCheck.Verify(Arena(device), (tape, i) => Functions[function].Op(tape, i[0]), [(x, [5, 7])]);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Not_a_number_stays_one(string device, string function)
    {
        OpResult result = OpResult.Of(Arena(device), (t, i) => Functions[function].Op(t, i[0]), null, ([1, float.NaN, 2], [3]));
        Assert.True(float.IsNaN(result.Y[1]));
        Assert.True(float.IsFinite(result.Y[0]) && float.IsFinite(result.Y[2]));
    }

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void No_elements_are_no_error(string device) =>
        Assert.Empty(OpResult.Of(Arena(device), (t, i) => Ops.Gelu.Forward(t, i[0]), [], ([], [0, 4])).Y);

    [Theory]
    [MemberData(nameof(Devices.Names), MemberType = typeof(Devices))]
    public void Exp_reaches_from_denormals_to_infinity(string device)
    {
        float[] x = [-110, -104, -100, -88, -87, -1e-8f, 0, 1, 88, 88.7f, 88.8f, 200, float.PositiveInfinity, float.NegativeInfinity];
        float[] y = OpResult.Of(Arena(device), (t, i) => Ops.Exp.Forward(t, i[0]), null, (x, [x.Length])).Y;
        for (int i = 0; i < x.Length; i++)
        {
            float expected = (float)Math.Exp(x[i]);
            // ILGPU's PTX is 2^(x·log₂e): the product is rounded to F32, so the error grows with |x|.
            float relative = device == "ptx-sim" ? (1 + MathF.Abs(x[i])) * MathF.Pow(2, -23) : 2.5e-7f;
            bool close = y[i].Equals(expected) || MathF.Abs(y[i] - expected) <= (relative * expected) + float.Epsilon;
            Assert.True(close, $"exp({x[i]}) = {y[i]}, expected {expected}");
        }
    }

    [Fact]
    public void Cpu_gives_the_same_bits_for_any_number_of_threads()
    {
        float[] x = GradCheck.Values(40000, 4);
        float[] Run(int threads)
        {
            using Device device = IlgpuDiffusion.Tensors.Device.Open("cpu", threads);
            using Arena arena = new(device);
            return OpResult.Of(arena, (t, i) => Ops.Gelu.Forward(t, i[0]), null, (x, [x.Length])).Y;
        }

        Assert.Equal(Run(1), Run(3));
    }
}
