using System.Diagnostics;

namespace IlgpuDiffusion.Kernels.Common;

/// A pool of spinning workers for the `cpu` device: handing work over costs about a microsecond, where a thread pool costs ten.
/// A loop is cut by its shape, never by the number of threads, so a result has the same bits for any number of threads.
/// Workers that find nothing to do for a while go to sleep, so an idle process burns no core.
public sealed class CpuPool : IDisposable
{
    // A worker spins this many times (some ten microseconds) before it sleeps; the gaps between an engine's kernels are shorter.
    const int SpinsBeforeSleep = 4000;

    sealed class Job(int count, Action<int> body, ILaunchObserver? observer)
    {
        readonly long launch = observer?.Launch ?? 0;
        int next;
        int done;
        Exception? failure;

        public bool Finished => Volatile.Read(ref done) >= count;

        public void Work(int thread)
        {
            long begin = observer is null ? 0 : Stopwatch.GetTimestamp();
            if (Work() && observer is not null)
                observer.Ran(launch, thread, begin, Stopwatch.GetTimestamp());
        }

        bool Work()
        {
            bool worked = false;
            for (int i = Interlocked.Increment(ref next) - 1; i < count; i = Interlocked.Increment(ref next) - 1)
            {
                try
                {
                    body(i);
                }
                catch (Exception e)
                {
                    Interlocked.CompareExchange(ref failure, e, null);
                }

                worked = true;
                Interlocked.Increment(ref done);
            }

            return worked;
        }

        public void Rethrow()
        {
            if (failure is not null)
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        }
    }

    readonly Thread[] workers;
    readonly SemaphoreSlim wake = new(0);
    Job? current;
    int generation;
    int sleeping;
    volatile bool stopping;

    /// `idle`: every loop is passed over, which leaves the memory that kernels would use untouched: a program planned, not run.
    public CpuPool(int threads, bool idle = false)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        Threads = threads;
        Idle = idle;
        workers = new Thread[threads - 1];
        for (int i = 0; i < workers.Length; i++)
        {
            int thread = i + 1;
            workers[i] = new Thread(() => Loop(thread)) { IsBackground = true, Name = $"ilgd cpu {i + 1}" };
            workers[i].Start();
        }
    }

    /// Threads that work on a loop, the caller's own among them.
    public int Threads { get; }

    /// Who is told which thread worked when; null where nobody looks.
    public ILaunchObserver? Observer { get; set; }

    public bool Idle { get; }

    /// Runs body(0) … body(count − 1), each once, in any order, and returns when all are done. Not re-entrant.
    public void For(int count, Action<int> body)
    {
        if (Idle)
            return;
        if (count <= 1 || workers.Length == 0)
        {
            long begin = Observer is null ? 0 : Stopwatch.GetTimestamp();
            for (int i = 0; i < count; i++)
                body(i);
            if (Observer is not null)
                Observer.Ran(Observer.Launch, 0, begin, Stopwatch.GetTimestamp());
            return;
        }

        Job job = new(count, body, Observer);
        Volatile.Write(ref current, job);
        Interlocked.Increment(ref generation);
        int asleep = Volatile.Read(ref sleeping);
        if (asleep > 0)
            wake.Release(Math.Min(asleep, count - 1));
        job.Work(0);
        SpinWait spin = default;
        while (!job.Finished)
            spin.SpinOnce(sleep1Threshold: -1);
        job.Rethrow();
    }

    /// Cuts 0 … length into ranges of `grain` and runs body(begin, end) on each.
    public void Range(long length, int grain, Action<long, long> body)
    {
        if (length <= grain)
        {
            if (length > 0 && !Idle)
                body(0, length);
            return;
        }

        For((int)((length + grain - 1) / grain), i => body((long)i * grain, Math.Min((i + 1L) * grain, length)));
    }

    public void Dispose()
    {
        stopping = true;
        wake.Release(Math.Max(1, workers.Length));
        foreach (Thread worker in workers)
            worker.Join();
        wake.Dispose();
    }

    void Loop(int thread)
    {
        int seen = 0;
        while (!stopping)
        {
            int spins = 0;
            while (Volatile.Read(ref generation) == seen && !stopping)
            {
                if (++spins < SpinsBeforeSleep)
                {
                    Thread.SpinWait(4);
                    continue;
                }

                // The counter is raised before the last look, so a caller either sees a sleeper or the sleeper sees the work.
                Interlocked.Increment(ref sleeping);
                if (Volatile.Read(ref generation) == seen && !stopping)
                    wake.Wait();
                Interlocked.Decrement(ref sleeping);
                spins = 0;
            }

            seen = Volatile.Read(ref generation);
            Volatile.Read(ref current)?.Work(thread);
        }
    }
}
