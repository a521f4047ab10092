using System.Reflection;
using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.Cuda;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.TensorCore;

namespace IlgpuDiffusion.Kernels.Simulation;

/// The PTX that a kernel becomes on the `cuda` device, with the same optimiser, intrinsics and repair (<see cref="UniformBranches"/>); needs neither a GPU nor a driver.
public sealed class PtxCompiler : IDisposable
{
    readonly Context context = Context.Create(b => b.CPU(new CPUDevice(32, 2, 1)).EnableAlgorithms().Optimize(OptimizationLevel.O2));
    readonly PTXBackend backend;

    /// ILGPU writes `.target sm_80` for every chip from Ampere on, so `architecture` matters below that alone.
    public PtxCompiler(CudaArchitecture architecture)
    {
        PtxIntrinsics.Register(context);
        backend = new PTXBackend(context, architecture, CudaInstructionSet.ISA_80, null!);
    }

    public PtxCompiler()
        : this(CudaArchitecture.SM_90)
    {
    }

    /// The text of a kernel method: implicitly grouped where its first parameter is an index. `threads`: the most that a group will ever have, which lets the driver's assembler give each more registers.
    public string Text(MethodInfo kernel, int? threads = null)
    {
        PTXCompiledKernel compiled = (PTXCompiledKernel)backend.Compile(KernelText.Entry(kernel), new KernelSpecialization(threads, null));
        UniformBranches.Repair(compiled);
        return compiled.PTXAssembly;
    }

    public void Dispose()
    {
        backend.Dispose();
        context.Dispose();
    }
}
