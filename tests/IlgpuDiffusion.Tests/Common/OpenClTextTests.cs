using System.Text.RegularExpressions;
using ILGPU;
using ILGPU.Runtime;
using IlgpuDiffusion.Kernels.Common;
using Device = IlgpuDiffusion.Tensors.Device;

namespace IlgpuDiffusion.Tests;

/// The OpenCL C that a driver gets, and the two repairs of it: what ILGPU 1.5.3 gets wrong, shown and put right.
public partial class OpenClTextTests(Devices devices) : DeviceTest(devices)
{
    [Fact]
    public void Every_portable_kernel_names_its_address_spaces_and_fences_both_memories()
    {
        using OpenClCompiler compiler = new();
        KernelEntry[] portable = [.. KernelCatalog.All.Where(k => k.Devices.Contains("opencl"))];
        Assert.True(portable.Length > 50, $"only {portable.Length} kernels were found");
        int barriers = 0;
        foreach (KernelEntry kernel in portable)
        {
            string text = compiler.Text(kernel.Method);
            Assert.Contains($"kernel void Kernel_{kernel.Method.Name}", text, StringComparison.Ordinal);
            // A generic pointer costs a GPU a test at each access, and PoCL before 4.0 does not compile it.
            Assert.DoesNotContain("__generic", text, StringComparison.Ordinal);
            foreach (Match barrier in Barrier().Matches(text))
            {
                Assert.Equal("CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE", barrier.Groups[1].Value.Trim());
                barriers++;
            }
        }

        Assert.True(barriers >= 3, $"only {barriers} barriers were found");
    }

    // The inner loop swaps; what is a when it ends goes into two variables of the outer one.
    static void SwapKernel(Index1D i, ArrayView<int> counts, ArrayView<int> y)
    {
        int a = 1, b = 2, seen = 0;
        for (int outer = 0; outer < 3; outer++)
        {
            for (int k = 0; k < counts[i]; k++)
                (a, b) = (b, a);
            seen = (10 * seen) + a;
        }

        y[i] = seen;
    }

    [Fact]
    public void Swapped_variables_are_read_where_they_are()
    {
        int[] counts = [0, 1, 2, 3, 4, 5], expected = new int[counts.Length];
        for (int i = 0; i < counts.Length; i++)
        {
            for (int outer = 1; outer <= 3; outer++)
                expected[i] = (10 * expected[i]) + (outer * counts[i] % 2 == 0 ? 1 : 2);
        }

        Device device = Device("opencl");
        using MemoryBuffer1D<int, Stride1D.Dense> x = device.Accelerator.Allocate1D(counts), y = device.Accelerator.Allocate1D<int>(counts.Length);
        ArrayView<int> from = x.View.AsContiguous(), to = y.View.AsContiguous();
        device.Kernels.Launch<ArrayView<int>, ArrayView<int>>(SwapKernel, counts.Length, from, to);
        Assert.Equal(expected, y.GetAsArray1D());
    }

    [Fact]
    public void Ilgpu_reads_a_stale_temporary_unless_it_is_repaired()
    {
        using OpenClCompiler compiler = new();
        string text = compiler.Text(((Action<Index1D, ArrayView<int>, ArrayView<int>>)SwapKernel).Method);
        Assert.NotEqual(text, text + "?");
    }

    [GeneratedRegex(@"work_group_barrier\s*\(([^)]*)\)")]
    private static partial Regex Barrier();
}
