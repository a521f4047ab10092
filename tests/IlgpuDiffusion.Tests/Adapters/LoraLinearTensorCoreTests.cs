using ILGPU;
using IlgpuDiffusion.Kernels.Adapters;

namespace IlgpuDiffusion.Tests;

/// The fused layer's text on `ptx-sim`, forward and input gradient. Never run on a GPU.
public sealed class LoraLinearTensorCoreTests(KernelDevices devices) : IClassFixture<KernelDevices>
{
    const float Scale = 0.75f;
    const int Padded = LoraLinear.PaddedRank;

    // F32 sums as in the plain product.
    const double SumTolerance = 1e-6;

    // bf16 keeps seven bits behind the first, so rounding x Aᵀ moves each term of the second product by at most half of 2⁻⁷ of it.
    const double HalfUnit = 1.0 / 256;

    // One row, more than a tile of rows and of columns, columns that end inside the last warp, an inner extent across stages.
    public static TheoryData<LoraShape> Shapes =>
    [
        new LoraShape(1, 1, 8, 8, 1),
        new LoraShape(1, 37, 104, 120, 16),
        new LoraShape(1, 130, 40, 232, 5),
        new LoraShape(1, 16, 136, 112, 4),
    ];

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Forward_matches_the_reference(LoraShape s)
    {
        (ushort[] xBits, float[] x) = KernelDevices.Halves((long)s.Rows * s.In, 1);
        (ushort[] wBits, float[] w) = KernelDevices.Halves((long)s.Out * s.In, 2);
        (ushort[] aBits, float[] a, ushort[] bBits, float[] b) = Factors(s);
        float[] bias = KernelDevices.Numbers(s.Out, 5), y = new float[s.Rows * s.Out], xa = new float[s.Rows * Padded];
        float[] expected = new float[y.Length], down = new float[s.Rows * s.Rank];
        LoraLinear.Reference.Forward(x, w, bias, a, b, Scale, expected, down, s);
        devices.Run([xBits, wBits, aBits, bBits], [bias, y, xa], (h, v) =>
            LoraLinear.ForwardTensorCore(devices.Ptx, h[0], h[1], v[0], h[2], h[3], Scale, v[1], v[2], s));
        KernelDevices.AssertClose(Pad(down, s.Rows, s.Rank, s.Rows, Padded), xa, SumTolerance, "xa");
        Check(expected, y, down, s, s.Out, (n, r) => b[(n * s.Rank) + r]);
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Gradient_of_the_input_matches_the_reference(LoraShape s)
    {
        (ushort[] dyBits, float[] dy) = KernelDevices.Halves((long)s.Rows * s.Out, 1);
        (ushort[] wBits, float[] w) = KernelDevices.Halves((long)s.Out * s.In, 2);
        (ushort[] aBits, float[] a, ushort[] bBits, float[] b) = Factors(s);
        float[] dx = new float[s.Rows * s.In], dya = new float[s.Rows * Padded];
        float[] expected = new float[dx.Length], down = new float[s.Rows * s.Rank];
        LoraLinear.Reference.BackwardInput(dy, w, a, b, Scale, expected, down, s);
        devices.Run([dyBits, wBits, aBits, bBits], [dx, dya], (h, v) =>
            LoraLinear.BackwardInputTensorCore(devices.Ptx, h[0], h[1], h[2], h[3], Scale, v[0], v[1], s));
        KernelDevices.AssertClose(Pad(down, s.Rows, s.Rank, s.Rows, Padded), dya, SumTolerance, "dya");
        Check(expected, dx, down, s, s.In, (n, r) => a[(r * s.In) + n]);
    }

    [Fact]
    public void Factors_of_each_sample_are_refused()
    {
        LoraShape s = new(2, 8, 8, 8, 4);
        ArgumentException e = Assert.Throws<ArgumentException>(() => devices.Run(
            [new ushort[128], new ushort[64], new ushort[256], new ushort[256]],
            [new float[128], new float[256]],
            (h, v) => LoraLinear.ForwardTensorCore(devices.Ptx, h[0], h[1], ArrayView<float>.Empty, h[2], h[3], 1, v[0], v[1], s)));
        Assert.Contains("Samples must be 1", e.Message, StringComparison.Ordinal);
    }

    static void Check(float[] expected, float[] actual, float[] down, LoraShape s, int columns, Func<int, int, float> factor)
    {
        double largest = expected.Max(v => Math.Abs((double)v));
        for (int i = 0; i < expected.Length; i++)
        {
            (int row, int column) = (i / columns, i % columns);
            double terms = 0;
            for (int r = 0; r < s.Rank; r++)
                terms += Math.Abs((double)down[(row * s.Rank) + r] * factor(column, r));
            double allowed = (SumTolerance * largest) + (HalfUnit * Scale * terms);
            Assert.True(Math.Abs((double)expected[i] - actual[i]) <= allowed, $"({row}, {column}) = {actual[i]:R}, expected {expected[i]:R}, allowed {allowed:E2}");
        }
    }

    static (ushort[] ABits, float[] A, ushort[] BBits, float[] B) Factors(LoraShape s)
    {
        (ushort[] aBits, float[] a) = KernelDevices.Halves((long)s.Rank * s.In, 3);
        (ushort[] bBits, float[] b) = KernelDevices.Halves((long)s.Out * s.Rank, 4);
        return (Pad(aBits, s.Rank, s.In, Padded, s.In), a, Pad(bBits, s.Out, s.Rank, s.Out, Padded), b);
    }

    // A matrix in the corner of a larger one of zeros.
    static T[] Pad<T>(T[] x, int rows, int columns, int toRows, int toColumns)
    {
        T[] padded = new T[toRows * toColumns];
        for (int r = 0; r < rows; r++)
            Array.Copy(x, r * columns, padded, r * toColumns, columns);
        return padded;
    }
}
