using System.Diagnostics;
using System.Reflection;
using System.Runtime;
using ILGPU.Runtime;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Tensors;
using Device = IlgpuDiffusion.Tensors.Device;

namespace IlgpuDiffusion.Diagnostics.Profiling;

/// One launch, by the launching thread. Depth 0 is what an op called; deeper ones were called by a launcher. Times in ticks of the stopwatch; `Compile` is what of the time went into
/// compiling: the runtime's own, and ILGPU's.
public sealed record LaunchEvent(long Id, string Operation, string Shape, Work Work, int Depth, long Begin, long End, long Compile);

/// A stretch of work for a launch on a thread of the `cpu` pool, or on a device's stream.
public readonly record struct RunEvent(long Launch, int Track, long Begin, long End);

/// What `Owner` holds from `At` on. The arenas' use is an owner of its own: it is a part of what the arenas hold.
public readonly record struct MemoryEvent(long At, string Owner, long Bytes);

/// Records what a device does, from its opening until <see cref="Steps"/> steps are done. A step is what lies between two resets of an arena: a training step, a denoising step, an encoding.
public sealed class Profiler(int steps = int.MaxValue, Action? done = null) : IDeviceObserver
{
    /// The owner under which the arenas' use is told.
    public const string ArenaUse = "arenas, in use";

    readonly Lock gate = new();
    readonly Stack<(long Id, string Operation, string Shape, Work Work, long Begin, TimeSpan Jit, ProfilingMarker? Marker)> open = new();
    readonly List<LaunchEvent> launches = [];
    readonly List<RunEvent> runs = [];
    readonly List<MemoryEvent> memory = [];
    readonly List<long> stepEnds = [];
    readonly List<(long Id, ProfilingMarker Begin, ProfilingMarker End)> markers = [];
    readonly Dictionary<string, long> held = [];
    readonly List<Arena> arenas = [];
    AcceleratorStream? stream;
    ProfilingMarker? origin;
    long originTicks, compiled, next, inStep;
    bool stopped;

    public IReadOnlyList<LaunchEvent> Launches => launches;

    public IReadOnlyList<RunEvent> Runs => runs;

    public IReadOnlyList<MemoryEvent> Memory => memory;

    /// When each step ended.
    public IReadOnlyList<long> Steps => stepEnds;

    /// True once as many steps as wanted are done: nothing is recorded any more.
    public bool Stopped => stopped;

    /// The device that was opened last; null where none was.
    public (string Name, int Threads, ConvAlgorithm Conv)? Observed { get; private set; }

    public long Launch { get; private set; }

    public void Opened(Device device)
    {
        Observed = (device.Name, device.Kernels.Cpu?.Threads ?? 0, device.Kernels.Conv);
        if (device.Kernels.Cpu is not null || device.Kernels.Simulator is not null)
            return;
        // The device's own clock, tied to the host's at a moment when nothing runs.
        stream = device.Kernels.Stream;
        origin = stream.AddProfilingMarker();
        stream.Synchronize();
        originTicks = Stopwatch.GetTimestamp();
    }

    public void Closing(Device device)
    {
        lock (gate)
        {
            if (stream is null || origin is null)
                return;
            stream.Synchronize();
            foreach ((long id, ProfilingMarker begin, ProfilingMarker end) in markers)
            {
                runs.Add(new RunEvent(id, 0, At(begin), At(end)));
                begin.Dispose();
                end.Dispose();
            }

            markers.Clear();
            origin.Dispose();
            (stream, origin) = (null, null);
        }

        long At(ProfilingMarker marker) => originTicks + (long)(marker.MeasureFrom(origin!).TotalSeconds * Stopwatch.Frequency);
    }

    public void Begin(string operation, string shape, Work work)
    {
        if (stopped)
            return;
        if (open.Count == 0)
            (Launch, compiled) = (next, 0);
        open.Push((next++, operation, shape, work, Stopwatch.GetTimestamp(), JitInfo.GetCompilationTime(currentThread: true), open.Count == 0 ? stream?.AddProfilingMarker() : null));
    }

    public void End()
    {
        // A launch that began while nothing was recorded ends unseen.
        if (open.Count == 0)
            return;
        long end = Stopwatch.GetTimestamp();
        (long id, string operation, string shape, Work work, long begin, TimeSpan jit, ProfilingMarker? marker) = open.Pop();
        long jitted = (long)((JitInfo.GetCompilationTime(currentThread: true) - jit).TotalSeconds * Stopwatch.Frequency);
        lock (gate)
        {
            // What ILGPU takes to compile holds what the runtime took to compile ILGPU.
            launches.Add(new LaunchEvent(id, operation, shape, work, open.Count, begin, end, Math.Min(compiled > 0 ? compiled : jitted, end - begin)));
            if (marker is not null)
                markers.Add((id, marker, stream!.AddProfilingMarker()));
            if (open.Count > 0)
                return;
            inStep++;
            Sample(ArenaUse, arenas.Sum(a => a.UsedBytes), end);
        }
    }

    public void Ran(long launch, int thread, long begin, long end)
    {
        lock (gate)
        {
            if (!stopped)
                runs.Add(new RunEvent(launch, thread, begin, end));
        }
    }

    public void Compiled(MethodInfo kernel, long ticks) => compiled += ticks;

    public void Allocated(string owner, long bytes) => Held(owner, bytes);

    public void Released(string owner, long bytes) => Held(owner, -bytes);

    public void Opened(Arena arena) => arenas.Add(arena);

    public void Resetting(Arena arena)
    {
        if (stopped || inStep == 0)
            return;
        inStep = 0;
        stepEnds.Add(Stopwatch.GetTimestamp());
        if (stepEnds.Count < steps)
            return;
        stopped = true;
        done?.Invoke();
    }

    void Held(string owner, long change)
    {
        lock (gate)
        {
            if (!stopped)
                Sample(owner, held.GetValueOrDefault(owner) + change, Stopwatch.GetTimestamp());
        }
    }

    void Sample(string owner, long bytes, long at)
    {
        if (held.TryGetValue(owner, out long before) && before == bytes)
            return;
        held[owner] = bytes;
        memory.Add(new MemoryEvent(at, owner, bytes));
    }
}
