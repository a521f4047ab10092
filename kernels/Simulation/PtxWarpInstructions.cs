namespace IlgpuDiffusion.Kernels.Simulation;

/// Shuffles, votes and warp barriers.
internal static class PtxWarpInstructions
{
    public static void Decode(PtxInstruction i)
    {
        (i.Flow, i.Class) = (PtxFlow.Together, PtxClass.Warp);
        i.Execute = i.Opcode switch
        {
            "shfl.sync.idx.b32" or "shfl.sync.up.b32" or "shfl.sync.down.b32" or "shfl.sync.bfly.b32" => Shuffle,
            "vote.sync.any.pred" => (warp, at, mask) => Vote(warp, at, mask, yes => yes != 0 ? 1u : 0),
            "vote.sync.all.pred" => (warp, at, mask) => Vote(warp, at, mask, yes => yes == mask ? 1u : 0),
            "vote.sync.ballot.b32" => (warp, at, mask) => Vote(warp, at, mask, yes => yes),
            "bar.warp.sync" => (_, _, _) => { },
            _ => throw PtxDecoder.Unknown(i),
        };
    }

    // shfl d[|p], a, b, c, mask: with c = (32 − width) << 8 | clamp, each segment of `width` threads keeps to itself.
    static void Shuffle(PtxWarp warp, PtxInstruction i, uint mask)
    {
        bool predicate = i.Slots.Length == 6;
        int from = predicate ? 2 : 1;
        Span<ulong> a = stackalloc ulong[PtxWarp.Lanes];
        warp.Register(i.Slots[from]).CopyTo(a);
        for (int lane = 0; lane < PtxWarp.Lanes; lane++)
        {
            if ((mask >> lane & 1) == 0)
                continue;
            int b = (int)warp.Register(i.Slots[from + 1])[lane] & 31, c = (int)warp.Register(i.Slots[from + 2])[lane];
            int segment = c >> 8 & 31, clamp = c & 31;
            int highest = (lane & segment) | (clamp & ~segment), lowest = lane & segment;
            int source = i.Parts[2] switch { "up" => lane - b, "down" => lane + b, "bfly" => lane ^ b, _ => lowest | (b & ~segment) };
            bool inside = i.Parts[2] == "up" ? source >= highest : source <= highest;
            if (!inside)
                source = lane;
            if ((mask >> source & 1) == 0)
                throw warp.Error(i, lane, new PtxException($"takes the register of thread {source} of its warp, which has ended"));
            warp.Register(i.Slots[0])[lane] = (uint)a[source];
            if (predicate)
                warp.Register(i.Slots[1])[lane] = inside ? 1u : 0;
        }
    }

    static void Vote(PtxWarp warp, PtxInstruction i, uint mask, Func<uint, uint> result)
    {
        uint yes = 0;
        for (int lane = 0; lane < PtxWarp.Lanes; lane++)
        {
            if ((mask >> lane & 1) != 0 && warp.Register(i.Slots[1])[lane] != 0)
                yes |= 1u << lane;
        }

        for (int lane = 0; lane < PtxWarp.Lanes; lane++)
        {
            if ((mask >> lane & 1) != 0)
                warp.Register(i.Slots[0])[lane] = result(yes);
        }
    }
}
