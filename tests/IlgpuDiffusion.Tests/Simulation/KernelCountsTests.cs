using System.Reflection;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Elementwise;
using IlgpuDiffusion.Kernels.MatMul;
using IlgpuDiffusion.Kernels.Norm;
using IlgpuDiffusion.Kernels.Simulation;
using Product = IlgpuDiffusion.Kernels.MatMul.MatMul;

namespace IlgpuDiffusion.Tests.Simulation;

/// Memory traffic and instructions of some kernels, to the last one: a kernel that reads memory in worse order or gets longer fails here, on any machine.
public sealed class KernelCountsTests : IDisposable
{
    readonly PtxSimulator simulator = new();

    [Fact]
    public void An_elementwise_kernel_reads_and_writes_whole_sectors()
    {
        PtxCounters counters = Run(typeof(Unary), "ForwardKernel", 1, 128, [128, new float[128], new float[128]], typeof(Relu));
        Assert.Equal((4, 4.0, 4, 4.0), (counters.GlobalLoads, counters.SectorsPerLoad, counters.GlobalStores, counters.SectorsPerStore));
        Assert.Equal(0, counters.Barriers);
    }

    [Fact]
    public void Column_sums_read_neighbouring_columns_with_neighbouring_threads()
    {
        const int Rows = 10, Width = 128;
        PtxCounters counters = Run(typeof(ColumnSum), "ForwardKernel", 1, Width, [Width, new float[Rows * Width], new float[Width], Rows, Width, 1f, 0]);
        Assert.Equal((Rows * Width / 32, 4.0), (counters.GlobalLoads, counters.SectorsPerLoad));
        Assert.Equal(0, counters.Divergences);
    }

    [Fact]
    public void The_tiled_product_reads_an_element_once_for_eight_outputs()
    {
        const int Size = 32;
        Product.Dims dims = new(new MatMulShape(1, Size, Size, Size), false);
        float[] a = new float[Size * Size], b = new float[Size * Size], c = new float[Size * Size];
        PtxCounters tiled = Run(typeof(Product), "ForwardV2Kernel", 16, 64, [a, b, Array.Empty<float>(), c, dims]);
        PtxCounters naive = Run(typeof(Product), "ForwardV1Kernel", 8, 128, [Size * Size, a, b, Array.Empty<float>(), c, dims]);
        // 16 groups × 4 tiles × 2 operands × 2 warps; the naive kernel loads 2·32 numbers for each of 32 warps of outputs.
        Assert.Equal((256, 2048), (tiled.GlobalLoads, naive.GlobalLoads));
        Assert.Equal(2 * 4 * 16, tiled.Barriers);
        Assert.Equal(0, tiled.BankConflicts);
    }

    [Fact]
    public void A_row_a_thread_costs_a_sector_a_thread()
    {
        // What the portable LayerNorm pays for its simplicity: neighbouring threads read a row apart. A version with a warp a row should bring this to 4.
        const int Rows = 32, D = 64;
        PtxCounters counters = Run(
            typeof(LayerNorm), "ForwardKernel", 1, 32, [Rows, new float[Rows * D], new float[D], new float[D], new float[Rows * D], new float[LayerNorm.Stats * Rows], D, 1e-5f]);
        Assert.InRange(counters.SectorsPerStore, 30, 32);
    }

    public void Dispose() => simulator.Dispose();

    PtxCounters Run(Type operation, string name, int groups, int threads, object[] arguments, params Type[] generic)
    {
        MethodInfo method = operation.GetMethod(name, BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public)!;
        return PtxSimulator.Run(simulator.Kernel(generic.Length == 0 ? method : method.MakeGenericMethod(generic)), groups, threads, arguments);
    }
}
