using ILGPU;
using IlgpuDiffusion.Kernels.MatMul;
using IlgpuDiffusion.Kernels.Simulation;
using IlgpuDiffusion.Kernels.TensorCore;
using Product = IlgpuDiffusion.Kernels.MatMul.MatMul;

namespace IlgpuDiffusion.Tests;

/// The tensor-core product's text on `ptx-sim`. Never run on a GPU.
public sealed class MatMulTensorCoreTests(KernelDevices devices) : IClassFixture<KernelDevices>
{
    // The operands are bf16 in the reference too, and mma's products are exact: what is left is the rounding of F32 sums, once in 16 of the inner extent.
    const double Tolerance = 1e-6;

    // A tile, one more than a tile, less than a fragment, an inner extent below and across stages, splits, batches.
    public static TheoryData<int, int, int, int> Shapes => new()
    {
        { 1, 128, 128, 32 },
        { 1, 136, 136, 8 },
        { 1, 8, 8, 72 },
        { 2, 24, 40, 104 },
        { 1, 16, 24, 1000 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Every_layout_matches_the_reference(int batch, int m, int n, int k)
    {
        for (int flags = 0; flags < 4; flags++)
        {
            Check(new MatMulShape(batch, m, n, k, (flags & 1) != 0, (flags & 2) != 0), bias: flags == 2);
        }
    }

    // Extents that no piece of eight divides, where the layout lets them be.
    [Theory]
    [InlineData(1, 1, 1, 8)]
    [InlineData(1, 131, 37, 40)]
    [InlineData(3, 5, 9, 1040)]
    public void Rows_and_columns_are_free_where_they_are_not_contiguous(int batch, int m, int n, int k)
    {
        foreach (bool accumulate in (bool[])[false, true])
            Check(new MatMulShape(batch, m, n, k, TransposeB: true, Accumulate: accumulate, Scale: 0.5f), bias: true);
    }

    [Fact]
    public void A_contiguous_extent_that_is_no_multiple_of_eight_is_refused()
    {
        ArgumentException e = Assert.Throws<ArgumentException>(() => devices.Run(
            [new ushort[4 * 12], new ushort[4 * 12]],
            [new float[16]],
            (h, v) => Product.ForwardTensorCore(devices.Ptx, h[0], h[1], ArrayView<float>.Empty, ArrayView<float>.Empty, v[0], new MatMulShape(1, 4, 4, 12, TransposeB: true))));
        Assert.Contains("multiple of 8", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_tile_has_the_counts_of_its_design()
    {
        PtxKernel kernel = devices.Ptx.Simulator!.Kernel(
            ((Action<ArrayView<ushort>, InnerContiguous, ArrayView<ushort>, InnerContiguous, ArrayView<float>, ArrayView<float>, Product.TensorCoreDims>)
                Product.ForwardTensorCoreKernel<InnerContiguous, InnerContiguous>).Method);
        // 4×4 tiles of 16×8 a warp in the text; two copies an operand in the prologue and two in the loop would be one loop each: one instruction.
        Assert.Equal((16, 6, 4), (kernel.Count("mma.sync"), kernel.Count("ldmatrix"), kernel.Count("cp.async.cg")));
        Assert.Equal(48 << 10, kernel.SharedBytes);
        Assert.Equal(0, kernel.LocalBytes);

        const int K = 64;
        ushort[] a = new ushort[128 * K], b = new ushort[128 * K];
        InnerContiguous operand = new(128, K);
        PtxCounters counters = PtxSimulator.Run(kernel, 1, 256, [a, operand, b, operand, Array.Empty<float>(), new float[128 * 128], new Product.TensorCoreDims(new MatMulShape(1, 128, 128, K, TransposeB: true), false, 1)]);
        Assert.Equal(8 * 16 * (K / 16), counters.Issued(PtxClass.TensorCore));
        // Every copy brings 32 × 16 bytes in whole sectors, every store fills 8 sectors with 64-bit pairs, and no two threads want one bank.
        Assert.Equal((64, 16), (counters.GlobalLoads, counters.SectorsPerLoad));
        Assert.Equal((8 * 32, 8), (counters.GlobalStores, counters.SectorsPerStore));
        Assert.Equal(0, counters.BankConflicts);
        Assert.Equal(K / 32, counters.Barriers);
    }

    void Check(MatMulShape s, bool bias)
    {
        (ushort[] aBits, float[] a) = KernelDevices.Halves((long)s.Batch * s.M * s.K, 1);
        (ushort[] bBits, float[] b) = KernelDevices.Halves((long)s.Batch * s.K * s.N, 2);
        float[] biasData = bias ? KernelDevices.Numbers(s.N, 3) : [];
        float[] expected = KernelDevices.Numbers((long)s.Batch * s.M * s.N, 4);
        float[] actual = [.. expected];
        float[] partial = new float[(long)s.Batch * Product.TensorCoreSplits(s) * s.M * s.N];
        Product.Reference.Forward(a, b, biasData, expected, s);
        devices.Run([aBits, bBits], [biasData, partial, actual], (h, v) => Product.ForwardTensorCore(devices.Ptx, h[0], h[1], v[0], v[1], v[2], s));
        KernelDevices.AssertClose(expected, actual, Tolerance, $"{s}, c");
    }
}
