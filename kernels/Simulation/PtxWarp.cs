using System.Numerics;

namespace IlgpuDiffusion.Kernels.Simulation;

/// 32 threads. Those at the smallest instruction number run, in step, until they part or pass one that others stand at: so they meet again as early as the text allows.
internal sealed class PtxWarp
{
    public const int Lanes = 32;

    readonly PtxKernel kernel;
    readonly ulong[] registers;
    readonly int[] at = new int[Lanes];
    uint running;
    uint parked;
    uint waiting;

    public PtxWarp(PtxGroup group, PtxKernel kernel, int index, int threads)
    {
        Group = group;
        Index = index;
        this.kernel = kernel;
        registers = new ulong[kernel.Slots * Lanes];
        Local = new PtxLocalMemory(kernel.LocalBytes);
        Copies = new PtxAsyncCopy[Lanes];
        for (int lane = 0; lane < Lanes; lane++)
            Copies[lane] = new PtxAsyncCopy();
        running = threads >= Lanes ? uint.MaxValue : (1u << threads) - 1;
        foreach ((int slot, ulong value) in kernel.Constants)
            Register(slot).Fill(value == PtxSymbols.Dynamic ? (ulong)group.DynamicShared : value);
        foreach ((string name, int slot) in kernel.Registers)
            Special(name, Register(slot));
    }

    public PtxGroup Group { get; }

    public int Index { get; }

    public PtxLocalMemory Local { get; }

    public PtxAsyncCopy[] Copies { get; }

    /// Threads that have not ended, and those of them that wait at a barrier.
    public int Live => BitOperations.PopCount(running | waiting);

    public int Waiting => BitOperations.PopCount(waiting);

    public Span<ulong> Register(int slot) => registers.AsSpan(slot * Lanes, Lanes);

    void Special(string name, Span<ulong> register)
    {
        for (int lane = 0; lane < Lanes; lane++)
        {
            int thread = (Index * Lanes) + lane;
            register[lane] = name switch
            {
                "%tid.x" => (ulong)thread,
                "%ntid.x" => (ulong)Group.Threads,
                "%ctaid.x" => (ulong)Group.Index,
                "%nctaid.x" => (ulong)Group.Groups,
                "%ntid.y" or "%ntid.z" or "%nctaid.y" or "%nctaid.z" => 1,
                "%laneid" => (ulong)lane,
                "%warpid" => (ulong)Index,
                _ => 0,
            };
        }
    }

    public PtxException Error(PtxInstruction i, int lane, PtxException cause) =>
        new($"{kernel.Name}, {i}: thread {(Index * Lanes) + lane} of group {Group.Index} {cause.Message}");

    /// Lets the threads go on that wait at a barrier.
    public void Release() => (running, waiting) = (running | waiting, 0);

    /// Runs until every thread has ended or waits at a barrier.
    public void Run()
    {
        while ((running | parked) != 0)
        {
            uint active = Next(out int pc, out int others);
            while (active != 0 && pc < others)
                active = Step(active, ref pc);
            for (uint left = active; left != 0; left &= left - 1)
                at[BitOperations.TrailingZeroCount(left)] = pc;
        }
    }

    // The threads at the smallest instruction number, and where the next ones stand.
    uint Next(out int pc, out int others)
    {
        if (running == 0)
        {
            // Nobody else can come any more: the parked run if they stand together.
            running = parked;
            parked = 0;
        }

        pc = int.MaxValue;
        others = int.MaxValue;
        uint active = 0;
        for (uint left = running; left != 0; left &= left - 1)
        {
            int lane = BitOperations.TrailingZeroCount(left), p = at[lane];
            if (p < pc)
                (others, pc, active) = (pc, p, 0);
            else if (p > pc)
                others = Math.Min(others, p);
            if (p == pc)
                active |= 1u << lane;
        }

        return active;
    }

    uint Step(uint active, ref int pc)
    {
        PtxInstruction i = kernel.Instructions[pc];
        uint mask = i.Guard < 0 ? active : active & Guard(i);
        Group.Issue(i);
        switch (i.Flow)
        {
            case PtxFlow.Branch:
                return Branch(i, active, mask, ref pc);
            case PtxFlow.Exit:
                running &= ~mask;
                pc++;
                return active & ~mask;
            case PtxFlow.Barrier:
                if (mask != active)
                    throw Error(i, BitOperations.TrailingZeroCount(active & ~mask), new PtxException("is missing at a barrier"));
                running &= ~active;
                waiting |= active;
                Leave(active, pc + 1);
                return 0;
            case PtxFlow.Together when active != (running | parked | waiting):
                Park(i, active, pc);
                return 0;
            case PtxFlow.Together when mask != active:
                throw Error(i, BitOperations.TrailingZeroCount(active & ~mask), new PtxException("is kept by its guard from an instruction that needs the whole warp"));
        }

        try
        {
            if (mask != 0)
                i.Execute!(this, i, mask);
        }
        catch (PtxException e) when (!e.Message.StartsWith(kernel.Name, StringComparison.Ordinal))
        {
            throw Error(i, BitOperations.TrailingZeroCount(mask), e);
        }

        pc++;
        return active;
    }

    uint Branch(PtxInstruction i, uint active, uint taken, ref int pc)
    {
        if (taken == active)
            pc = i.Target;
        else
            pc++;
        if (taken == 0 || taken == active)
            return active;
        if (i.Parts[^1] == "uni")
            throw Error(i, BitOperations.TrailingZeroCount(taken), new PtxException("parts from its warp at a branch that promises uniformity"));
        Group.Counters.Divergences++;
        Leave(taken, i.Target);
        Leave(active & ~taken, pc);
        return 0;
    }

    void Park(PtxInstruction i, uint active, int pc)
    {
        Leave(active, pc);
        parked |= active;
        running &= ~active;
        if (running != 0)
            return;
        int other = BitOperations.TrailingZeroCount((parked | waiting) & ~active);
        bool together = waiting == 0;
        for (uint left = parked; left != 0; left &= left - 1)
            together &= at[BitOperations.TrailingZeroCount(left)] == pc;
        if (!together)
            throw Error(i, BitOperations.TrailingZeroCount(active), new PtxException($"waits for its warp, but thread {(Index * Lanes) + other} stands at {kernel.Instructions[at[other]]}"));
    }

    void Leave(uint lanes, int pc)
    {
        for (uint left = lanes; left != 0; left &= left - 1)
            at[BitOperations.TrailingZeroCount(left)] = pc;
    }

    uint Guard(PtxInstruction i)
    {
        uint mask = 0;
        Span<ulong> predicate = Register(i.Guard);
        for (int lane = 0; lane < Lanes; lane++)
            mask |= (predicate[lane] != 0 != i.GuardNegated ? 1u : 0) << lane;
        return mask;
    }
}
