using System.Reflection;
using ILGPU;
using ILGPU.Backends;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Embed;
using IlgpuDiffusion.Kernels.Simulation;

namespace IlgpuDiffusion.Tests.Simulation;

/// The repair of ILGPU's false promises of uniformity, and what it rests on.
public class UniformBranchesTests
{
    static readonly MethodInfo Kernel = typeof(TokenEmbedding).GetMethod("BackwardKernel", BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public)!;

    [Fact]
    public void No_conditional_branch_promises_uniformity()
    {
        using PtxCompiler compiler = new();
        string text = compiler.Text(Kernel);
        Assert.Matches(@"@!?%p\d+\s+bra\s", text);
        Assert.DoesNotMatch(@"@!?%p\d+\s+bra\.uni", text);
    }

    // On a GPU the repaired text is the one that is loaded only if this holds.
    [Fact]
    public void Ilgpu_loads_what_it_has_compiled_before()
    {
        using Context context = Context.Create(b => b.CPU(new CPUDevice(2, 1, 1)));
        using Accelerator accelerator = context.Devices[0].CreateAccelerator(context);
        CompiledKernel compiled = accelerator.CompileKernel(KernelText.Entry(Kernel), KernelSpecialization.Empty);
        Kernel loaded = accelerator.LoadAutoGroupedKernel(Kernel);
        PropertyInfo held = typeof(Kernel).GetProperty("CompiledKernel", BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)!;
        Assert.Same(compiled, held.GetValue(loaded));
    }
}
