using System.Numerics;

namespace IlgpuDiffusion.Kernels.Simulation;

/// 32 threads in step. Where they part at a branch, one side runs to the place where the ways meet again, then the other, as a stack of frames remembers.
internal sealed class PtxWarp
{
    public const int Lanes = 32;

    readonly PtxKernel kernel;
    readonly ulong[] registers;
    readonly Stack<Frame> frames = [];
    uint live;
    bool waiting;

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
        live = threads >= Lanes ? uint.MaxValue : (1u << threads) - 1;
        frames.Push(new Frame(0, live, PtxControlFlow.Nowhere));
        foreach ((int slot, ulong value) in kernel.Constants)
            Register(slot).Fill(value == PtxSymbols.Dynamic ? (ulong)group.DynamicShared : value);
        foreach ((string name, int slot) in kernel.Registers)
            Special(name, Register(slot));
    }

    /// Threads that run together from an instruction on, up to where they meet others.
    readonly record struct Frame(int At, uint Lanes, int Join);

    public PtxGroup Group { get; }

    public int Index { get; }

    public PtxLocalMemory Local { get; }

    public PtxAsyncCopy[] Copies { get; }

    /// Threads that wait at a barrier.
    public int Waiting => waiting ? BitOperations.PopCount(live) : 0;

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
                "%dynamic_smem_size" => (ulong)Group.DynamicSharedBytes,
                "%warpid" => (ulong)Index,
                _ => 0,
            };
        }
    }

    public PtxException Error(PtxInstruction i, int lane, PtxException cause) =>
        new($"{kernel.Name}, {i}: thread {(Index * Lanes) + lane} of group {Group.Index} {cause.Message}");

    /// Lets the threads go on that wait at a barrier.
    public void Release() => waiting = false;

    /// Runs until every thread has ended or waits at a barrier.
    public void Run()
    {
        while (!waiting && frames.TryPop(out Frame frame))
        {
            uint active = frame.Lanes & live;
            int pc = frame.At;
            while (active != 0 && pc != frame.Join && !waiting)
                active = Step(active, ref pc, frame.Join);
            if (waiting)
                frames.Push(frame with { At = pc });
        }
    }

    uint Step(uint active, ref int pc, int join)
    {
        PtxInstruction i = kernel.Instructions[pc];
        uint mask = i.Guard < 0 ? active : active & Guard(i);
        Group.Issue(i);
        switch (i.Flow)
        {
            case PtxFlow.Branch:
                return Branch(i, active, mask, ref pc, join);
            case PtxFlow.Exit:
                live &= ~mask;
                pc++;
                return active & ~mask;
            case PtxFlow.Barrier when mask == live:
                waiting = true;
                pc++;
                return active;
            case PtxFlow.Barrier:
            case PtxFlow.Together when mask != live:
                throw Error(i, BitOperations.TrailingZeroCount(mask), new PtxException("comes without all of its warp to an instruction that needs them together"));
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

    uint Branch(PtxInstruction i, uint active, uint taken, ref int pc, int join)
    {
        if (taken != 0 && taken != active)
        {
            if (i.Parts[^1] == "uni")
                throw Error(i, BitOperations.TrailingZeroCount(taken), new PtxException("parts from its warp at a branch that promises uniformity"));
            Group.Counters.Divergences++;
            if (i.Join != PtxControlFlow.Nowhere && i.Join != join)
                frames.Push(new Frame(i.Join, active, join));
            frames.Push(new Frame(i.Target, taken, i.Join));
            frames.Push(new Frame(pc + 1, active & ~taken, i.Join));
            return 0;
        }

        pc = taken == 0 ? pc + 1 : i.Target;
        return active;
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
