using System.Runtime.Loader;
using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Backends.OpenCL;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Simulation;
using IlgpuDiffusion.Kernels.TensorCore;

namespace IlgpuDiffusion.Tensors;

/// A device by name: `cpu` (kernels are called on a pool of threads), `cpu-sim` (ILGPU's simulator runs the portable GPU kernels), `ptx-sim` (an interpreter runs their
/// PTX), `cuda` and `opencl` where a driver exists. Owns ILGPU's context; all memory asked from the system passes through here and is counted.
public sealed class Device : IDisposable
{
    public static readonly IReadOnlyList<string> Names = ["cpu", "cpu-sim", "ptx-sim", "cuda", "opencl"];

    /// F(4×4) at its points is as exact as most networks need (worst error 2.1e-6 of the largest value where the direct sum's is 8.9e-7) and two to three times as fast: kernels/Conv/Winograd.md.
    public const ConvAlgorithm DefaultConv = ConvAlgorithm.F4;

    static Device() => AssemblyLoadContext.GetLoadContext(typeof(Context).Assembly)!.ResolvingUnmanagedDll += DriverLibraries.Resolve;

    readonly Context context;
    readonly CpuPool? pool;
    readonly Dictionary<string, long> live = [];
    readonly Dictionary<string, int> buffers = [];
    readonly List<MemoryBuffer1D<byte, Stride1D.Dense>> planned = [];
    // Null on `cpu`, whose memory the system has back at once: it is the program's own, and its size is looked at.
    readonly BlockCache? cache;

    Device(string name, Context context, Accelerator accelerator, CpuPool? pool, PtxSimulator? simulator, ConvAlgorithm conv, IDeviceObserver? observer, bool graphs)
    {
        Name = name;
        this.context = context;
        this.pool = pool;
        Accelerator = accelerator;
        Graphs = graphs && observer is null;
        cache = pool is null ? new BlockCache(accelerator) : null;
        Kernels = new KernelContext(accelerator, pool, simulator, conv) { Observer = observer };
        Observer = observer;
        observer?.Opened(this);
    }

    public string Name { get; }

    public Accelerator Accelerator { get; }

    public KernelContext Kernels { get; }

    /// Who is told what this device does; null where nobody looks.
    public IDeviceObserver? Observer { get; }

    /// A training step's launches are handed over as one: <see cref="LaunchGraph"/>. Never where somebody observes, who wants to see them one by one.
    public bool Graphs { get; }

    /// Bytes that somebody holds now, and the most that were ever held.
    public long LiveBytes { get; private set; }

    public long PeakBytes { get; private set; }

    /// Bytes by owner when the most were held.
    public IReadOnlyDictionary<string, long> AtPeak { get; private set; } = new Dictionary<string, long>();

    /// Nothing runs on this device and all its buffers are one piece of memory that nobody writes to.
    public bool Plans => Kernels.Idle;

    /// Buffers now held from the system: zero when everything was given back.
    public int LiveBuffers { get; private set; }

    /// Buffers asked from the system so far; a second training step must not move it.
    public long SystemAllocations { get; private set; }

    /// Bytes that were given back and not yet to the system, which `cpu` never keeps.
    public long KeptBytes => cache?.Bytes ?? 0;

    /// Opens a device. `threads` and `conv` concern `cpu` alone; 0 threads means one for each core. `graphs`: see <see cref="Graphs"/>.
    /// Errors: a name that is none, a device that is not here, graphs where kernels are not launched by a driver.
    public static Device Open(string name, int threads = 0, ConvAlgorithm conv = DefaultConv, IDeviceObserver? observer = null, bool graphs = false) =>
        Open(name, threads, conv, observer, graphs, _ => { });

    /// `found` is told of each OpenCL device before it is judged.
    internal static Device Open(string name, int threads, ConvAlgorithm conv, IDeviceObserver? observer, bool graphs, Action<CLDevice> found)
    {
        if (!Names.Contains(name))
            throw new IlgdException($"unknown device '{name}': use one of {string.Join(", ", Names)}");
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        if (graphs && name is "cpu" or "ptx-sim")
            throw new IlgdException($"--graphs: the device {name} calls its kernels and has no launches to gather; leave it out, or use --device cuda, opencl or cpu-sim");
        string? refused = null;
        Context context = name switch
        {
            // These two never launch through ILGPU, so their accelerator needs as few simulated lanes as ILGPU allows.
            "cpu" or "ptx-sim" => Context.Create(b => b.CPU(new CPUDevice(2, 1, 1)).EnableAlgorithms()),
            "cpu-sim" => Context.Create(b => Watched(b.CPU(new CPUDevice(32, 2, 1)).EnableAlgorithms())),
            "cuda" => Context.Create(b => Watched(b.Cuda().EnableAlgorithms().Optimize(OptimizationLevel.O2))),
            _ => Context.Create(b => Watched(b.OpenCL(Suits).EnableAlgorithms().Optimize(OptimizationLevel.O2))),
        };
        // ILGPU adds its CPU to every context, so what was found is told by its type.
        AcceleratorType type = name switch { "cuda" => AcceleratorType.Cuda, "opencl" => AcceleratorType.OpenCL, _ => AcceleratorType.CPU };
        ILGPU.Runtime.Device? device = context.Devices.FirstOrDefault(d => d.AcceleratorType == type);
        if (device is null)
        {
            context.Dispose();
            throw new IlgdException(refused ?? $"no {name} device was found on this machine: check the driver, or use --device cpu");
        }

        CpuPool? pool = name == "cpu" ? new CpuPool(threads == 0 ? Environment.ProcessorCount : threads) : null;
        if (type == AcceleratorType.Cuda)
            PtxIntrinsics.Register(context);
        return new Device(name, context, device.CreateAccelerator(context), pool, name == "ptx-sim" ? new PtxSimulator() : null, conv, observer, graphs);

        bool Suits(CLDevice openCl)
        {
            found(openCl);
            string? lacks = openCl.CLStdVersion < CLBackend.MinimumVersion ? $"OpenCL C {CLBackend.MinimumVersion}" : openCl.Capabilities.GenericAddressSpace ? null : "a generic address space";
            if (lacks is not null)
                refused ??= $"the opencl device '{openCl.Name}' of {openCl.PlatformName} has not got {lacks}, which ILGPU needs (PoCL has it from 4.0 on): take another driver, or use --device cpu";
            return lacks is null;
        }

        // An observer may ask for the times at which a stream reached its markers.
        Context.Builder Watched(Context.Builder b) => observer is null ? b : b.Profiling();
    }

    /// A device to see what a program will ask for before it asks: allocations are counted as on `cpu` with these convolutions (on a GPU: Direct), kernels are passed over,
    /// and a tensor reads as zeros.
    public static Device Plan(ConvAlgorithm conv = DefaultConv)
    {
        Context context = Context.Create(b => b.CPU(new CPUDevice(2, 1, 1)));
        Accelerator accelerator = context.Devices.First(d => d.AcceleratorType == AcceleratorType.CPU).CreateAccelerator(context);
        return new Device("plan", context, accelerator, new CpuPool(1, idle: true), null, conv, null, graphs: false);
    }

    /// From now on the most that is held is counted afresh.
    public void ResetPeak()
    {
        PeakBytes = LiveBytes;
        AtPeak = new Dictionary<string, long>(live);
    }

    /// Asks the system for memory that lives until the returned buffer is disposed. Models, optimisers and arenas call this; ops never do.
    public DeviceBuffer Allocate(long bytes, string owner)
    {
        long length = Math.Max(bytes, 1) + DeviceBuffer.Alignment;
        DeviceBuffer buffer = new(this, Plans ? Planned(length) : Asked(length, owner), bytes, owner);
        Kernels.Simulator?.Forget(buffer.View<byte>(0, bytes));
        LiveBytes += bytes;
        LiveBuffers++;
        live[owner] = live.GetValueOrDefault(owner) + bytes;
        buffers[owner] = buffers.GetValueOrDefault(owner) + 1;
        if (LiveBytes > PeakBytes)
            ResetPeak();
        Observer?.Allocated(owner, bytes);
        return buffer;
    }

    MemoryBuffer1D<byte, Stride1D.Dense> Asked(long length, string owner)
    {
        MemoryBuffer1D<byte, Stride1D.Dense> memory;
        try
        {
            bool isNew = true;
            memory = cache?.Take(length, out isNew) ?? Accelerator.Allocate1D<byte>(length);
            if (isNew)
                SystemAllocations++;
        }
        catch (Exception e) when (e is OutOfMemoryException or AcceleratorException)
        {
            string held = string.Join(", ", live.Where(o => o.Value > 0).OrderByDescending(o => o.Value).Take(3).Select(o => $"{o.Key} {Text(o.Value)}"));
            throw new IlgdException(
                $"{Name} has no {Text(length)} left for '{owner}': of its {Text(Accelerator.MemorySize)} this program holds {Text(LiveBytes)}{(held.Length > 0 ? $" ({held})" : "")}; "
                + "ask for smaller or fewer pictures at once, or give --memory-budget",
                e);
        }

        if (Kernels.Cpu is not null)
            LargePages.Advise(memory.NativePtr, length);
        return memory;

        static string Text(long bytes) => $"{Math.Ceiling(bytes / (double)(1 << 20))} MiB";
    }

    // Asked from the system but never written to, so it occupies addresses and no memory.
    MemoryBuffer1D<byte, Stride1D.Dense> Planned(long length)
    {
        SystemAllocations++;
        if (planned.Count == 0 || planned[^1].Length < length)
            planned.Add(Accelerator.Allocate1D<byte>(Math.Max(length, 1L << 30)));
        return planned[^1];
    }

    internal void Released(DeviceBuffer buffer, MemoryBuffer1D<byte, Stride1D.Dense> memory)
    {
        // Launches that are held back may be about this memory.
        Kernels.Graph?.Flush();
        if (cache is not null)
            cache.Keep(memory);
        else if (!Plans)
            memory.Dispose();
        LiveBytes -= buffer.Bytes;
        LiveBuffers--;
        live[buffer.Owner] -= buffer.Bytes;
        buffers[buffer.Owner]--;
        Observer?.Released(buffer.Owner, buffer.Bytes);
    }

    /// Waits until all launched kernels have run.
    public void Synchronize() => Kernels.Synchronize();

    /// Errors: buffers that somebody still holds, by owner: who asked for memory gives it back before the device goes.
    public void Dispose()
    {
        Observer?.Closing(this);
        pool?.Dispose();
        Kernels.Simulator?.Dispose();
        planned.ForEach(memory => memory.Dispose());
        cache?.Clear();
        Accelerator.Dispose();
        context.Dispose();
        if (LiveBuffers > 0)
            throw new InvalidOperationException($"{LiveBuffers} buffers were not given back: {string.Join(", ", buffers.Where(o => o.Value > 0).Select(o => $"{o.Value} of {o.Key}"))}");
    }
}
