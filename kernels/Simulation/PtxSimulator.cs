using System.Diagnostics;
using System.Reflection;
using ILGPU;
using ILGPU.Runtime;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Kernels.Simulation;

/// `ptx-sim`: runs the text that a GPU would get, thread by thread, over host memory, and counts. It shows that the text is right and how it moves memory; it says
/// nothing of time. Never compared with a GPU yet.
public sealed class PtxSimulator : IDisposable
{
    /// Shared memory that a kernel may have without asking the driver for more.
    public const int StaticSharedLimit = 48 << 10;

    /// Shared memory that a group of sm_90 may have when the driver is asked; sm_80 has 163 KB, the smallest chips from Ampere on 99 KB.
    public const int SharedLimit = 227 << 10;

    public const int MaxThreads = 1024;

    // Threads of a group where the kernel does not choose them; ILGPU takes the number from the chip.
    const int ImplicitThreads = 128;

    readonly PtxCompiler compiler = new();
    readonly Dictionary<MethodInfo, PtxKernel> kernels = [];
    readonly Dictionary<MethodInfo, PtxCounters> counters = [];

    /// Kernels compiled so far.
    public long Compiled => kernels.Count;

    public long Launches { get; private set; }

    /// What each kernel counted, over all its launches since <see cref="Clear"/>.
    public IReadOnlyDictionary<MethodInfo, PtxCounters> Counters => counters;

    /// Who is told of compilations; null where nobody looks.
    public ILaunchObserver? Observer { get; set; }

    /// Counts from zero again.
    public void Clear() => counters.Clear();

    /// The text of a kernel, parsed; compiled once.
    public PtxKernel Kernel(MethodInfo method)
    {
        if (kernels.TryGetValue(method, out PtxKernel? kernel))
            return kernel;
        long begin = Stopwatch.GetTimestamp();
        kernels.Add(method, kernel = PtxParser.Parse(compiler.Text(method)));
        Observer?.Compiled(method, Stopwatch.GetTimestamp() - begin);
        return kernel;
    }

    /// One thread an index, as <see cref="Common.KernelContext.Launch{T1}"/>.
    internal void Launch(Delegate kernel, long count, params object[] arguments)
    {
        if (count > 0)
            LaunchGroups(kernel, (count + ImplicitThreads - 1) / ImplicitThreads, ImplicitThreads, [(int)count, .. arguments]);
    }

    internal void LaunchGroups(Delegate kernel, long groups, GroupSize size, params object[] arguments)
    {
        if (groups == 0)
            return;
        Launches++;
        PtxCounters ran = Run(Kernel(kernel.Method), (int)groups, size.Threads, arguments, size.SharedBytes);
        if (counters.TryGetValue(kernel.Method, out PtxCounters? before))
            before.Add(ran);
        else
            counters.Add(kernel.Method, ran);
    }

    /// Runs `groups` groups of `threads` threads one after the other. Arguments: numbers, structs of them, ILGPU's views of host memory, host arrays.
    /// Errors: <see cref="PtxException"/> for everything that PTX leaves undefined and this interpreter can see.
    public static PtxCounters Run(PtxKernel kernel, int groups, int threads, ReadOnlySpan<object> arguments, int dynamicShared = 0)
    {
        if (threads is < 1 or > MaxThreads)
            throw new PtxException($"{kernel.Name}: a group of {threads} threads; 1 to {MaxThreads} are possible");
        if (kernel.SharedBytes > StaticSharedLimit)
            throw new PtxException($"{kernel.Name}: {kernel.SharedBytes} bytes of shared memory exceed the {StaticSharedLimit} that a kernel may declare");
        if (kernel.SharedBytes + dynamicShared > SharedLimit)
            throw new PtxException($"{kernel.Name}: {kernel.SharedBytes + dynamicShared} bytes of shared memory exceed the {SharedLimit} of a group");
        using PtxArguments laid = new(kernel, arguments);
        PtxCounters counters = new();
        for (int group = 0; group < groups; group++)
            new PtxGroup(kernel, group, groups, threads, dynamicShared, laid.Image, laid.Memory, counters).Run();
        return counters;
    }

    /// Marks memory as not written: until somebody writes it, a kernel that reads it is an error.
    public unsafe void Forget<T>(ArrayView<T> view)
        where T : unmanaged
    {
        if (view.Length > 0)
            PtxGlobalMemory.Mark(new Span<byte>((void*)view.LoadEffectiveAddressAsPtr(), checked((int)view.LengthInBytes)));
    }

    public void Dispose() => compiler.Dispose();
}
