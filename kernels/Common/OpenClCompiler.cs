using System.Reflection;
using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Backends.OpenCL;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.OpenCL;

namespace IlgpuDiffusion.Kernels.Common;

/// The OpenCL C that ILGPU makes of a kernel, as the `opencl` device would get it from a driver with F64 and a generic address space; needs no driver.
public sealed class OpenClCompiler : IDisposable
{
    readonly Context context = Context.Create(b => b.CPU(new CPUDevice(2, 1, 1)).EnableAlgorithms());
    readonly CLBackend backend;

    public OpenClCompiler() => backend = new CLBackend(
        context,
        new CLCapabilityContext(float16: false, float64: true, genericAddressSpace: true, int64_Atomics: false, subGroups: false),
        CLDeviceVendor.Other,
        CLCVersion.CL30);

    public string Text(MethodInfo kernel) => ((CLCompiledKernel)backend.Compile(UniformBranches.Entry(kernel), KernelSpecialization.Empty)).Source;

    public void Dispose()
    {
        backend.Dispose();
        context.Dispose();
    }
}
