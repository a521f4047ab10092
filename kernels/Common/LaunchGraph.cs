using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace IlgpuDiffusion.Kernels.Common;

/// The launches of a step that does the same every time, handed to the driver as one: a CUDA graph. On other devices the notes below are all there is, which is how they are tested.
///
/// What is launched between two waits of the host is a segment. The first time, its launches run one by one and are noted. The next time they are held back and only compared with the notes,
/// kernel and arguments, until the host waits; if all came again, the segment runs at once: captured, and from then on as the graph that the driver keeps. Host memory travels through page-locked
/// copies that belong to the notes, so a replay reads this step's numbers.
/// Where a launch differs, those before it run as noted, and the rest is noted anew: a step that changes is slower and never wrong.
public sealed class LaunchGraph(KernelContext kernels) : IDisposable
{
    sealed class Segment
    {
        public List<Note> Notes { get; } = [];

        /// What the driver keeps of the notes; null until they came twice, and on other devices.
        public CudaGraph? Captured { get; set; }
    }

    abstract class Note
    {
        public abstract void Launch();
    }

    sealed class LaunchNote<TCall>(TCall call, Action<TCall> launch) : Note
        where TCall : struct
    {
        public bool Is(TCall other) => FieldsEqual<TCall>.Of(call, other);

        public override void Launch() => launch(call);
    }

    sealed class UploadNote<T>(KernelContext kernels, ArrayView<T> to) : Note, IDisposable
        where T : unmanaged
    {
        readonly PageLockedArray1D<T> host = kernels.Accelerator.AllocatePageLocked1D<T>(to.Length, uninitialized: true);

        public bool Is(ArrayView<T> other) => FieldsEqual<ArrayView<T>>.Of(to, other);

        public void Set(ReadOnlySpan<T> values) => values.CopyTo(host.Span);

        public override void Launch() => to.CopyFromPageLockedAsync(kernels.Stream, host);

        public void Dispose() => host.Dispose();
    }

    readonly List<Segment> segments = [];
    int current;
    int position;

    // True while what comes is compared with the notes and held back.
    bool held;

    /// Segments that ran whole, as they had been noted.
    public long Replays { get; private set; }

    /// To the end of the returned scope the context's launches are a step of this graph.
    public StepScope Step()
    {
        // The last step's copies from the host have been made then, and its graphs have run.
        kernels.Synchronize();
        Enter(0);
        kernels.Graph = this;
        return new StepScope(this);
    }

    internal void Add<TCall>(TCall call, Action<TCall> launch)
        where TCall : struct
    {
        if (Next is LaunchNote<TCall> note && note.Is(call))
        {
            position++;
            return;
        }

        Leave();
        launch(call);
        segments[current].Notes.Add(new LaunchNote<TCall>(call, launch));
    }

    internal void Upload<T>(ReadOnlySpan<T> values, ArrayView<T> to)
        where T : unmanaged
    {
        if (Next is UploadNote<T> noted && noted.Is(to))
        {
            noted.Set(values);
            position++;
            return;
        }

        Leave();
        UploadNote<T> note = new(kernels, to);
        segments[current].Notes.Add(note);
        note.Set(values);
        note.Launch();
    }

    /// The host is about to wait: what is held back runs, and a new segment begins.
    public void Flush()
    {
        if (held && position == segments[current].Notes.Count)
            Replay(segments[current]);
        else
            Leave();
        Enter(current + 1);
    }

    Note? Next => held && position < segments[current].Notes.Count ? segments[current].Notes[position] : null;

    void Enter(int segment)
    {
        current = segment;
        position = 0;
        if (current == segments.Count)
            segments.Add(new Segment());
        held = segments[current].Notes.Count > 0;
    }

    void Replay(Segment segment)
    {
        if (kernels.Stream is CudaStream stream)
            (segment.Captured ??= CudaGraph.Capture(stream, () => Run(segment.Notes))).Launch(stream);
        else
            Run(segment.Notes);
        Replays++;
    }

    // The step goes another way than it did.
    void Leave()
    {
        if (!held)
            return;
        held = false;
        Segment segment = segments[current];
        Run(segment.Notes[..position]);
        Drop(segment, position);
    }

    static void Run(List<Note> notes)
    {
        foreach (Note note in notes)
            note.Launch();
    }

    static void Drop(Segment segment, int from)
    {
        segment.Captured?.Dispose();
        segment.Captured = null;
        foreach (Note note in segment.Notes[from..])
            (note as IDisposable)?.Dispose();
        segment.Notes.RemoveRange(from, segment.Notes.Count - from);
    }

    void End()
    {
        Flush();
        kernels.Graph = null;
    }

    public void Dispose()
    {
        kernels.Synchronize();
        foreach (Segment segment in segments)
            Drop(segment, 0);
        segments.Clear();
    }

    /// Ends a step.
    public readonly ref struct StepScope(LaunchGraph? graph)
    {
        public void Dispose() => graph?.End();
    }
}
