namespace IlgpuDiffusion.Kernels.Simulation;

/// cp.async: the bytes arrive as late as PTX allows, when the thread waits for their group; until then reading the destination is an error.
internal sealed class PtxAsyncCopy
{
    const int Size = 16;

    readonly record struct Copy(ulong Shared, ulong Global, int Bytes);

    List<Copy> open = [];
    readonly Queue<List<Copy>> groups = [];

    public static void Decode(PtxInstruction i)
    {
        i.Class = PtxClass.AsyncCopy;
        i.Execute = i.Opcode switch
        {
            "cp.async.cg.shared.global" when i.Slots.Length is 3 or 4 => Issue,
            "cp.async.commit_group" => (warp, _, mask) => Each(warp, mask, (copies, _) => copies.Commit()),
            "cp.async.wait_group" => (warp, at, mask) => Each(warp, mask, (copies, lane) => copies.Wait(warp, (int)warp.Register(at.Slots[0])[lane])),
            _ => throw PtxDecoder.Unknown(i),
        };
    }

    static void Each(PtxWarp warp, uint mask, Action<PtxAsyncCopy, int> action)
    {
        for (int lane = 0; lane < PtxWarp.Lanes; lane++)
        {
            if ((mask >> lane & 1) != 0)
                action(warp.Copies[lane], lane);
        }
    }

    static void Issue(PtxWarp warp, PtxInstruction i, uint mask)
    {
        Span<ulong> to = stackalloc ulong[PtxWarp.Lanes], from = stackalloc ulong[PtxWarp.Lanes];
        int count = 0, read = 0;
        for (int lane = 0; lane < PtxWarp.Lanes; lane++)
        {
            if ((mask >> lane & 1) == 0)
                continue;
            ulong shared = (uint)warp.Register(i.Slots[0])[lane] + (ulong)i.Offset, global = warp.Register(i.Slots[1])[lane];
            int bytes = i.Slots.Length == 4 ? (int)warp.Register(i.Slots[3])[lane] : Size;
            if (shared % Size != 0 || global % Size != 0)
                throw warp.Error(i, lane, new PtxException($"copies {Size} bytes from address {global} to {shared}, which are no multiples of {Size}"));
            if (bytes is < 0 or > Size)
                throw warp.Error(i, lane, new PtxException($"copies {bytes} bytes of {Size}"));
            to[count++] = shared;
            if (bytes > 0)
                from[read++] = global;
            try
            {
                warp.Group.Shared.Bringing(shared, Size, warp.Index);
            }
            catch (PtxException e)
            {
                throw warp.Error(i, lane, e);
            }

            warp.Copies[lane].open.Add(new Copy(shared, global, bytes));
        }

        warp.Group.Counters.Shared(to[..count], Size);
        if (read > 0)
            warp.Group.Counters.Global(store: false, from[..read], Size);
    }

    void Commit()
    {
        groups.Enqueue(open);
        open = [];
    }

    void Wait(PtxWarp warp, int left)
    {
        while (groups.Count > left)
        {
            foreach (Copy copy in groups.Dequeue())
            {
                for (int b = 0; b < Size; b += 2)
                {
                    ulong value = b < copy.Bytes ? warp.Group.Global.Read(copy.Global + (ulong)b, 2) : 0;
                    warp.Group.Shared.Write(copy.Shared + (ulong)b, 2, value, warp.Index);
                }
            }
        }
    }
}
