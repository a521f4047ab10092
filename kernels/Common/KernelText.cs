using System.Reflection;
using System.Runtime.CompilerServices;
using ILGPU;
using ILGPU.Backends;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.OpenCL;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;

namespace IlgpuDiffusion.Kernels.Common;

/// From a kernel method to the text that a driver gets, with what ILGPU 1.5.3 gets wrong in it put right: <see cref="UniformBranches"/> in PTX, <see cref="LocalFences"/> and <see cref="StalePhis"/> in OpenCL C.
internal static class KernelText
{
    /// How ILGPU is to read a kernel method: one thread an index, or groups.
    public static EntryPointDescription Entry(MethodInfo kernel) => kernel.GetParameters() is [{ ParameterType: Type first }, ..] && first == typeof(Index1D)
        ? EntryPointDescription.FromImplicitlyGroupedKernel(kernel)
        : EntryPointDescription.FromExplicitlyGroupedKernel(kernel);

    /// Compiles a kernel for an accelerator with a driver and repairs its text before it is loaded: ILGPU loads what it finds compiled already, as long as somebody holds it.
    public static object? Compile(Accelerator accelerator, MethodInfo kernel)
    {
        if (accelerator is not (CudaAccelerator or CLAccelerator))
            return null;
        CompiledKernel compiled = accelerator.CompileKernel(Entry(kernel), KernelSpecialization.Empty);
        if (compiled is PTXCompiledKernel ptx)
            UniformBranches.Repair(ptx);
        if (compiled is CLCompiledKernel openCl)
            Repair(openCl);
        return compiled;
    }

    /// Whether a kernel takes shared memory whose size the launch says.
    public static bool SizesSharedMemoryAtLaunch(string ptx) => ptx.Contains("__dyn_shared_alloca", StringComparison.Ordinal);

    public static void Repair(CLCompiledKernel kernel) => Source(kernel) = StalePhis.Repaired(LocalFences.Repaired(kernel.Source));

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "<Source>k__BackingField")]
    private static extern ref string Source(CLCompiledKernel kernel);
}
