using System.Reflection;
using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Backends.OpenCL;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.OpenCL;

namespace IlgpuDiffusion.Kernels.Common;

/// The OpenCL C that a kernel becomes on the `opencl` device, repaired (<see cref="KernelText"/>), where its driver has F64 and a generic address space; needs no driver.
public sealed class OpenClCompiler : IDisposable
{
    readonly Context context = Context.Create(b => b.CPU(new CPUDevice(2, 1, 1)).EnableAlgorithms().Optimize(OptimizationLevel.O2));
    readonly CLBackend backend;

    public OpenClCompiler() => backend = new CLBackend(
        context,
        new CLCapabilityContext(float16: false, float64: true, genericAddressSpace: true, int64_Atomics: false, subGroups: false),
        CLDeviceVendor.Other,
        CLCVersion.CL30);

    public string Text(MethodInfo kernel)
    {
        CLCompiledKernel compiled = (CLCompiledKernel)backend.Compile(KernelText.Entry(kernel), KernelSpecialization.Empty);
        KernelText.Repair(compiled);
        return compiled.Source;
    }

    public void Dispose()
    {
        backend.Dispose();
        context.Dispose();
    }
}
