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

    // Three ways back to the loop's head, the middle one with a swap. What is stored keeps ILGPU from turning them into choices.
    static void SwapKernel(Index1D i, ArrayView<int> counts, ArrayView<int> y)
    {
        int a = 1, b = 2, k = 0;
        while (k < counts[i])
        {
            k++;
            if (k % 3 == 0)
            {
                b = a;
                a += k;
                y[i] += a;
                continue;
            }

            if (k % 3 == 1)
            {
                (a, b) = (b, a);
                y[i] += 3 * a;
                continue;
            }

            a = b;
            y[i] += 5 * a;
        }

        y[i] = (100 * y[i]) + (10 * a) + b;
    }

    static readonly int[] Counts = [0, 1, 2, 3, 4, 5, 6, 7];

    [Fact]
    public void Swapped_variables_are_read_where_they_are() =>
        Assert.Equal(Expected(), Run(Device("opencl"), (k, from, to) => k.Launch<ArrayView<int>, ArrayView<int>>(SwapKernel, Counts.Length, from, to)));

    [Fact]
    public void A_temporary_is_read_in_its_own_block_alone()
    {
        // a is var7, b var8; var8 = var7 in the third block is no temporary, though what follows looks like it.
        const string text = """
            	L_1: ;
            	var9 = (int)((int) var3 +  (int)1);
            	 goto L_2;
            	L_2: ;
            	var10 = var7;
            	var7 = var8;
            	var8 = var10;
            	 goto L_2;
            	L_3: ;
            	var8 = var7;
            	var7 = var9;
            	 goto L_2;
            	L_4: ;
            	var8 = var10;
            	 goto L_2;
            """;
        int last = text.LastIndexOf("var10", StringComparison.Ordinal);
        Assert.Equal(text[..last] + "var7" + text[(last + "var10".Length)..], StalePhis.Repaired(text));
    }

    // What ILGPU's simulator makes of it, which runs the method itself.
    int[] Expected() => Run(Device("cpu-sim"), (k, from, to) => k.Launch<ArrayView<int>, ArrayView<int>>(SwapKernel, Counts.Length, from, to));

    static int[] Run(Device device, Action<KernelContext, ArrayView<int>, ArrayView<int>> launch)
    {
        using MemoryBuffer1D<int, Stride1D.Dense> from = device.Accelerator.Allocate1D(Counts), to = device.Accelerator.Allocate1D(new int[Counts.Length]);
        launch(device.Kernels, from.View.AsContiguous(), to.View.AsContiguous());
        device.Synchronize();
        return to.GetAsArray1D();
    }

    [GeneratedRegex(@"work_group_barrier\s*\(([^)]*)\)")]
    private static partial Regex Barrier();
}
