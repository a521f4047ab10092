using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.MatMul;
using IlgpuDiffusion.Kernels.MatMul.Cpu;
using Product = IlgpuDiffusion.Kernels.MatMul.MatMul;

namespace IlgpuDiffusion.Tests;

public sealed class MatMulKernelTests(KernelDevices devices) : IClassFixture<KernelDevices>
{
    // Sums of a few thousand products of numbers below one, in float.
    const double Tolerance = 2e-6;

    // Edges of every tile size (4, 6, 12 rows; 8, 16, 32 columns; depth 256; 192 × 512), thin and empty products, split sums.
    public static TheoryData<int, int, int, int> Shapes => new()
    {
        { 1, 1, 1, 1 },
        { 1, 1, 1, 129 },
        { 1, 17, 3, 5 },
        { 2, 12, 32, 16 },
        { 2, 13, 33, 17 },
        { 3, 8, 40, 9 },
        { 1, 4, 8, 300 },
        { 1, 3, 65, 260 },
        { 1, 65, 1, 1 },
        { 6, 17, 77, 40 },
        { 1, 31, 47, 0 },
        { 1, 7, 19, 2500 },
        { 40, 5, 9, 7 },
    };

    // Up to 16 columns and from 32 rows on C is computed transposed.
    public static TheoryData<int, int, int> FewColumns
    {
        get
        {
            TheoryData<int, int, int> shapes = new() { { 0, 3, 5 }, { 1, 3, 5 }, { 31, 4, 20 }, { 32, 4, 0 }, { 64, 1, 1 }, { 65, 16, 300 }, { 300, 5, 37 } };
            for (int n = 1; n <= 17; n++)
                shapes.Add(77, n, 45);
            return shapes;
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Every_instruction_set_matches_the_reference(int batch, int m, int n, int k) =>
        ForEveryFlag(batch, m, n, k, (s, bias) =>
        {
            foreach (CpuIsa isa in Enum.GetValues<CpuIsa>())
                Check(s, bias, v => Product.ForwardCpu(devices.CpuTwo.Cpu!, v[0], v[1], v[2], v[3], s, ArrayView<float>.Empty, isa), isa.ToString());
        });

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Portable_kernels_match_the_reference(int batch, int m, int n, int k) =>
        ForEveryFlag(batch, m, n, k, (s, bias) =>
        {
            Check(s, bias, v => Product.ForwardV1(devices.Simulator, v[0], v[1], v[2], v[3], s), "V1");
            Check(s, bias, v => Product.ForwardV1(devices.Ptx, v[0], v[1], v[2], v[3], s), "V1's PTX");
            Check(s, bias, v => Product.ForwardV2(devices.Ptx, v[0], v[1], v[2], v[3], s), "V2's PTX");
            if ((long)batch * m * n * k > 5000)
                return; // the simulator's barriers are slow
            Check(s, bias, v => Product.ForwardV2(devices.Simulator, v[0], v[1], v[2], v[3], s), "V2");
        });

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Portable_kernels_match_the_reference_on_OpenCL(int batch, int m, int n, int k) =>
        ForEveryFlag(batch, m, n, k, (s, bias) =>
        {
            Check(s, bias, v => Product.ForwardV1(devices.OpenCl, v[0], v[1], v[2], v[3], s), "V1", devices.RunOpenCl);
            Check(s, bias, v => Product.ForwardV2(devices.OpenCl, v[0], v[1], v[2], v[3], s), "V2", devices.RunOpenCl);
        });

    [Theory]
    [MemberData(nameof(Shapes))]
    public void A_residual_is_added_on_every_device_and_is_not_written_to(int batch, int m, int n, int k)
    {
        MatMulShape s = new(batch, m, n, k, TransposeB: true);
        float[] a = KernelDevices.Numbers((long)batch * m * k, 1), b = KernelDevices.Numbers((long)batch * n * k, 2);
        float[] residual = KernelDevices.Numbers((long)batch * m * n, 4), before = [.. residual];
        foreach (float[] bias in new[] { KernelDevices.Numbers(n, 3), [] })
        {
            float[] expected = new float[residual.Length];
            Product.Reference.Forward(a, b, bias, expected, s, residual);
            foreach (CpuIsa isa in Enum.GetValues<CpuIsa>())
                Same(v => Product.ForwardCpu(devices.CpuTwo.Cpu!, v[0], v[1], v[2], v[4], s, v[3], isa), isa.ToString());
            float[] one = Same(v => Product.Forward(devices.Cpu, v[0], v[1], v[2], v[4], s, v[3]), "cpu");
            Assert.Equal(one, Same(v => Product.Forward(devices.CpuTwo, v[0], v[1], v[2], v[4], s, v[3]), "cpu, two threads"));
            Same(v => Product.Forward(devices.Simulator, v[0], v[1], v[2], v[4], s, v[3]), "simulated");
            Same(v => Product.Forward(devices.Ptx, v[0], v[1], v[2], v[4], s, v[3]), "interpreted");

            float[] Same(Action<ArrayView<float>[]> kernel, string what)
            {
                float[] c = KernelDevices.Numbers(residual.Length, 5);
                devices.Run([a, b, bias, residual, c], kernel);
                KernelDevices.AssertClose(expected, c, Tolerance, $"{what}, {s}, c");
                Assert.Equal(before, residual);
                return c;
            }
        }
    }

    [Theory]
    [InlineData(1, 300, 700, 300)]
    [InlineData(1, 9, 20, 9000)]
    [InlineData(20, 70, 30, 50)]
    [InlineData(1, 640, 4, 3000)]
    [InlineData(1, 3000, 16, 64)]
    public void One_and_two_threads_give_the_same_bits(int batch, int m, int n, int k)
    {
        MatMulShape s = new(batch, m, n, k, TransposeB: true);
        float[] a = KernelDevices.Numbers((long)batch * m * k, 1), b = KernelDevices.Numbers((long)batch * n * k, 2);
        float[] one = new float[batch * m * n], two = new float[batch * m * n], reference = new float[batch * m * n];
        devices.Run([a, b, one], v => Product.Forward(devices.Cpu, v[0], v[1], ArrayView<float>.Empty, v[2], s));
        devices.Run([a, b, two], v => Product.Forward(devices.CpuTwo, v[0], v[1], ArrayView<float>.Empty, v[2], s));
        Assert.Equal(one, two);
        Product.Reference.Forward(a, b, [], reference, s);
        KernelDevices.AssertClose(reference, one, Tolerance, "c");
    }

    [Theory]
    [MemberData(nameof(FewColumns))]
    public void Few_columns_match_the_reference_with_the_same_bits_on_any_number_of_threads(int m, int n, int k)
    {
        using CpuPool three = new(3);
        ForEveryFlag(2, m, n, k, (s, bias) =>
        {
            s = s with { Scale = 0.7f };
            foreach (CpuIsa isa in Enum.GetValues<CpuIsa>())
            {
                float[][] results = [.. new[] { devices.Cpu.Cpu!, devices.CpuTwo.Cpu!, three }.Select(
                    pool => Check(s, bias, v => Product.ForwardCpu(pool, v[0], v[1], v[2], v[3], s, default, isa), isa.ToString()))];
                Assert.Equal(results[0], results[1]);
                Assert.Equal(results[0], results[2]);
            }
        });
    }

    [Fact]
    public void A_view_that_is_too_short_is_refused_by_name()
    {
        float[] short7 = new float[7];
        ArgumentException e = Assert.Throws<ArgumentException>(() => devices.Run(
            [new float[6], short7, new float[4]],
            v => Product.Forward(devices.Cpu, v[0], v[1], ArrayView<float>.Empty, v[2], new MatMulShape(1, 2, 2, 4))));
        Assert.Contains("a holds 6 floats", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(3, false)]
    [InlineData(4, true)]
    public void A_residual_of_another_size_or_beside_a_sum_that_goes_on_is_refused(int length, bool accumulate) =>
        Assert.Throws<ArgumentException>(() => devices.Run(
            [new float[8], new float[8], new float[4], new float[length]],
            v => Product.Forward(devices.Cpu, v[0], v[1], ArrayView<float>.Empty, v[2], new MatMulShape(1, 2, 2, 4, Accumulate: accumulate), v[3])));

    [Theory]
    [InlineData(1, 1)]
    [InlineData(5, 3)]
    [InlineData(700, 37)]
    [InlineData(1025, 16)]
    public void Column_sums_match_the_reference_and_add(int rows, int columns)
    {
        float[] x = KernelDevices.Numbers((long)rows * columns, 3);
        float[] expected = KernelDevices.Numbers(columns, 4);
        float[] cpu = [.. expected], two = [.. expected], simulated = [.. expected], interpreted = [.. expected];
        BiasGradient.Reference.Accumulate(x, expected, rows, columns);
        devices.Run([x, cpu], v => BiasGradient.Accumulate(devices.Cpu, v[0], v[1], rows, columns));
        devices.Run([x, two], v => BiasGradient.Accumulate(devices.CpuTwo, v[0], v[1], rows, columns));
        devices.Run([x, simulated], v => BiasGradient.Accumulate(devices.Simulator, v[0], v[1], rows, columns));
        KernelDevices.AssertClose(expected, cpu, Tolerance, "cpu");
        devices.Run([x, interpreted], v => BiasGradient.Accumulate(devices.Ptx, v[0], v[1], rows, columns));
        KernelDevices.AssertClose(expected, simulated, Tolerance, "simulated");
        KernelDevices.AssertClose(expected, interpreted, Tolerance, "interpreted");
        Assert.Equal(cpu, two);
    }

    static void ForEveryFlag(int batch, int m, int n, int k, Action<MatMulShape, bool> check)
    {
        for (int flags = 0; flags < 16; flags++)
            check(new MatMulShape(batch, m, n, k, (flags & 1) != 0, (flags & 2) != 0, (flags & 4) != 0), (flags & 8) != 0);
    }

    float[] Check(MatMulShape s, bool bias, Action<ArrayView<float>[]> kernel, string what, Action<float[][], Action<ArrayView<float>[]>>? run = null)
    {
        float[] a = KernelDevices.Numbers((long)s.Batch * s.M * s.K, 1);
        float[] b = KernelDevices.Numbers((long)s.Batch * s.K * s.N, 2);
        float[] biasData = bias ? KernelDevices.Numbers(s.N, 3) : [];
        float[] expected = KernelDevices.Numbers((long)s.Batch * s.M * s.N, 4);
        float[] actual = [.. expected];
        Product.Reference.Forward(a, b, biasData, expected, s);
        (run ?? devices.Run)([a, b, biasData, actual], kernel);
        KernelDevices.AssertClose(expected, actual, Tolerance, $"{what}, {s}, c");
        return actual;
    }
}
