using System.Diagnostics;
using System.Reflection;
using System.Runtime.CompilerServices;
using ILGPU;
using ILGPU.Backends.OpenCL;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;
using IlgpuDiffusion.Kernels.Simulation;

namespace IlgpuDiffusion.Kernels.Common;

/// What a launcher needs to run a kernel: ILGPU's accelerator, or on the `cpu` device the pool on which kernels are called directly.
/// Launchers are loaded once per kernel and kept here, so a second step compiles nothing; <see cref="Compiled"/> counts.
public sealed partial class KernelContext(Accelerator accelerator, CpuPool? cpu, PtxSimulator? simulator = null, ConvAlgorithm conv = ConvAlgorithm.Direct)
{
    readonly Dictionary<Delegate, Delegate> launchers = [];
    long launches;

    public Accelerator Accelerator { get; } = accelerator;

    /// What all launches and copies go through, in order. On `cuda` a stream of the context's own, because the default one cannot be captured; of the kind that waits for the default one and makes it wait.
    public AcceleratorStream Stream { get; } = accelerator is CudaAccelerator cuda ? cuda.CreateStream(StreamFlags.CU_STREAM_DEFAULT) : accelerator.DefaultStream;

    /// Whose step is running; null where each launch stands for itself.
    public LaunchGraph? Graph { get; internal set; }

    /// The pool of the `cpu` device; null on devices where kernels are launched through ILGPU.
    public CpuPool? Cpu { get; } = cpu;

    /// What runs the kernels' PTX on the `ptx-sim` device; null elsewhere.
    public PtxSimulator? Simulator { get; } = simulator;

    /// What the `cpu` device may do to a 3×3 convolution.
    public ConvAlgorithm Conv { get; } = conv;

    /// Who is told of launches, on this context, its pool and its simulator; null where nobody looks.
    public ILaunchObserver? Observer
    {
        get;
        set
        {
            field = value;
            if (Cpu is not null)
                Cpu.Observer = value;
            if (Simulator is not null)
                Simulator.Observer = value;
        }
    }

    /// Says what a launcher does, to the end of the scope: `using LaunchScope launch = k.Scope("Add.Forward", y.Length, Work.Of(…));`. `of` is the type argument of a generic operation.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public LaunchScope Scope<TShape>(string operation, TShape shape, Work work, Type? of = null)
        where TShape : notnull
    {
        if (Observer is not null)
            Observer.Begin(of is null ? operation : $"{operation}<{of.Name}>", shape.ToString()!, work);
        return new LaunchScope(Observer);
    }

    /// Kernels compiled so far.
    public long Compiled => launchers.Count + (Simulator?.Compiled ?? 0);

    /// Kernels launched so far.
    public long Launches => launches + (Simulator?.Launches ?? 0);

    /// Nothing runs here: only what would be asked of the memory is seen.
    public bool Idle => Cpu is { Idle: true };

    /// view = 0
    public void Clear(ArrayView<float> view)
    {
        if (!Idle && view.Length > 0)
            Issue((k: this, view), static x => x.view.MemSetToZero(x.k.Stream));
    }

    /// to = from
    public void Copy(ArrayView<float> from, ArrayView<float> to)
    {
        if (!Idle && from.Length > 0)
            Issue((k: this, from, to), static x => x.from.CopyTo(x.k.Stream, x.to));
    }

    /// to = values of the host, which may be changed when this returns
    public unsafe void Upload<T>(ReadOnlySpan<T> values, ArrayView<T> to)
        where T : unmanaged
    {
        if (Idle || values.Length == 0)
            return;
        if (Graph is { } graph)
        {
            graph.Upload(values, to);
            return;
        }

        // ILGPU takes the address of the host memory and lets go of it, so that the garbage collector must be kept from moving it during a copy.
        fixed (T* pinned = values)
            to.CopyFromCPU(Stream, ref *pinned, values.Length);
    }

    /// values = what is in device memory after everything launched so far has run; zeros where nothing runs
    public unsafe void Download<T>(ArrayView<T> from, Span<T> values)
        where T : unmanaged
    {
        if (Idle)
            values.Clear();
        if (Idle || values.Length == 0)
            return;
        Graph?.Flush();
        fixed (T* pinned = values)
            from.CopyToCPU(Stream, ref *pinned, values.Length);
    }

    /// Waits until everything launched so far has run.
    public void Synchronize()
    {
        Graph?.Flush();
        Accelerator.Synchronize();
    }

    // `call` holds all that `launch` needs, so that it can be compared with another and launched again.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    void Issue<TCall>(TCall call, Action<TCall> launch)
        where TCall : struct
    {
        if (Graph is { } graph)
            graph.Add(call, launch);
        else
            launch(call);
    }

    TLauncher Cached<TKernel, TLauncher>(TKernel kernel, Func<Accelerator, TKernel, TLauncher> load)
        where TKernel : Delegate
        where TLauncher : Delegate
    {
        launches++;
        if (launchers.TryGetValue(kernel, out Delegate? launcher))
            return (TLauncher)launcher;
        long begin = Stopwatch.GetTimestamp();
        object? compiled = KernelText.Compile(Accelerator, kernel.Method);
        TLauncher loaded = Loaded(kernel.Method, compiled, () => load(Accelerator, kernel));
        GC.KeepAlive(compiled);
        launchers.Add(kernel, loaded);
        Observer?.Compiled(kernel.Method, Stopwatch.GetTimestamp() - begin);
        return loaded;
    }

    // What a compiler has against a text ILGPU does not say.
    TLauncher Loaded<TLauncher>(MethodInfo kernel, object? compiled, Func<TLauncher> load)
        where TLauncher : Delegate
    {
        try
        {
            TLauncher loaded = load();
            if (Accelerator is CudaAccelerator cuda && compiled is PTXCompiledKernel ptx && KernelText.SizesSharedMemoryAtLaunch(ptx.PTXAssembly))
                LargeShared.Allow(cuda, loaded.GetKernel());
            return loaded;
        }
        catch (CLException e) when (compiled is CLCompiledKernel openCl)
        {
            CLKernel.LoadKernel((CLAccelerator)Accelerator, openCl.Name, openCl.Source, openCl.CVersion, out _, out _, out string? log);
            throw new NotSupportedException($"{Accelerator.Name} does not take {kernel.DeclaringType!.Name}.{kernel.Name}: {e.Error}, {log?.Trim().Split('\n')[0] ?? "and says no more"}", e);
        }
    }

    // ILGPU fills up to whole groups, and for OpenCL counts their threads in an int.
    int MostThreads => Accelerator.AcceleratorType == AcceleratorType.OpenCL ? int.MaxValue - Accelerator.MaxNumThreadsPerGroup : int.MaxValue;

    Index1D CheckedCount(long count) => count <= MostThreads
        ? new Index1D((int)count)
        : throw new ArgumentOutOfRangeException(nameof(count), $"a launch of {count} threads exceeds {MostThreads}; cut it into pieces");

    KernelConfig CheckedGroups(long groups, GroupSize size)
    {
        int threads = size.Threads;
        if (threads > Accelerator.MaxNumThreadsPerGroup)
            throw new ArgumentOutOfRangeException(nameof(size), $"a group of {threads} threads exceeds {Accelerator.MaxNumThreadsPerGroup} on {Accelerator.Name}");
        long most = Accelerator.AcceleratorType == AcceleratorType.OpenCL ? MostThreads / threads : int.MaxValue;
        return groups <= most
            ? new KernelConfig((int)groups, threads, size.SharedBytes > 0 ? SharedMemoryConfig.RequestDynamic<byte>(size.SharedBytes) : default)
            : throw new ArgumentOutOfRangeException(nameof(groups), $"a launch of {groups} groups exceeds {most}; cut it into pieces");
    }
}
