namespace IlgpuDiffusion.Kernels.Simulation;

/// One group of a launch: its warps take turns from barrier to barrier.
internal sealed class PtxGroup
{
    // Far above any launch of a test: a loop that never ends is told, not waited for.
    const long MostInstructions = 2_000_000_000;

    readonly PtxKernel kernel;
    readonly byte[] parameters;
    readonly PtxWarp[] warps;
    long issued;

    public PtxGroup(PtxKernel kernel, int index, int groups, int threads, int dynamicShared, byte[] parameters, PtxGlobalMemory global, PtxCounters counters)
    {
        this.kernel = kernel;
        this.parameters = parameters;
        (Index, Groups, Threads, DynamicSharedBytes, Global, Counters) = (index, groups, threads, dynamicShared, global, counters);
        DynamicShared = (kernel.SharedBytes + 15) / 16 * 16;
        Shared = new PtxSharedMemory(dynamicShared > 0 ? DynamicShared + dynamicShared : kernel.SharedBytes);
        warps = new PtxWarp[(threads + PtxWarp.Lanes - 1) / PtxWarp.Lanes];
        for (int w = 0; w < warps.Length; w++)
            warps[w] = new PtxWarp(this, kernel, w, threads - (w * PtxWarp.Lanes));
    }

    public int Index { get; }

    public int Groups { get; }

    public int Threads { get; }

    /// Where dynamically sized shared memory begins, and how much of it the launch asked for.
    public int DynamicShared { get; }

    public int DynamicSharedBytes { get; }

    public PtxGlobalMemory Global { get; }

    public PtxSharedMemory Shared { get; }

    public PtxCounters Counters { get; }

    public void Issue(PtxInstruction i)
    {
        Counters.Issue(i.Class);
        if (++issued > MostInstructions)
            throw new PtxException($"{kernel.Name}: group {Index} issued {MostInstructions} instructions and has not ended");
    }

    public ulong Parameter(ulong offset, int bytes)
    {
        if (offset + (ulong)bytes > (ulong)parameters.Length)
            throw new PtxException($"reads {bytes} bytes at {offset} of {parameters.Length} bytes of parameters");
        ulong value = 0;
        for (int i = bytes - 1; i >= 0; i--)
            value = (value << 8) | parameters[(int)offset + i];
        return value;
    }

    public void Run()
    {
        while (true)
        {
            foreach (PtxWarp warp in warps)
                warp.Run();
            int waiting = warps.Sum(w => w.Waiting);
            if (waiting == 0)
                return;
            if (waiting != Threads)
                throw new PtxException($"{kernel.Name}: {waiting} of the {Threads} threads of group {Index} wait at a barrier, the others have ended");
            Counters.Barriers++;
            Shared.Epoch++;
            foreach (PtxWarp warp in warps)
                warp.Release();
        }
    }
}
