namespace IlgpuDiffusion.Kernels.Simulation;

/// ld and st: `ld.space[.v2|.v4].type`. Without a space the address is generic, and its window says where it points.
internal static class PtxMemoryInstructions
{
    public static void Decode(PtxInstruction i)
    {
        string[] p = i.Parts;
        bool store = p[0] == "st";
        int at = 1;
        string space = p[at] is "param" or "global" or "shared" or "local" ? p[at++] : "generic";
        int vector = p[at] is "v2" or "v4" ? p[at++][1] - '0' : 1;
        if (at != p.Length - 1 || (store && space == "param") || i.AddressAt != (store ? 0 : vector) || i.Slots.Length != vector + 1)
            throw PtxDecoder.Unknown(i);
        string type = p[at];
        int bytes = PtxType.Bytes(type);
        i.Class = space switch { "param" => PtxClass.Parameter, "shared" => PtxClass.Shared, "local" => PtxClass.Local, _ => PtxClass.Global };
        i.Execute = (warp, instruction, mask) => Run(warp, instruction, mask, space, store, vector, bytes, type);
    }

    static void Run(PtxWarp warp, PtxInstruction i, uint mask, string space, bool store, int vector, int bytes, string type)
    {
        Span<ulong> all = stackalloc ulong[PtxWarp.Lanes];
        Span<ulong> active = stackalloc ulong[PtxWarp.Lanes];
        Span<ulong> bases = warp.Register(i.Slots[i.AddressAt]);
        int count = 0;
        for (int lane = 0; lane < PtxWarp.Lanes; lane++)
        {
            if ((mask >> lane & 1) == 0)
                continue;
            ulong address = bases[lane] + (ulong)i.Offset;
            if (address % (ulong)(bytes * vector) != 0 && space != "param")
                throw warp.Error(i, lane, new PtxException($"accesses {bytes * vector} bytes at address {address}, which is no multiple of them"));
            all[lane] = active[count++] = address;
        }

        string where = space;
        if (space == "generic" && count > 0)
        {
            where = active[0] >= PtxParser.LocalWindow ? "local" : active[0] >= PtxParser.SharedWindow ? "shared" : "global";
            ulong window = where switch { "local" => PtxParser.LocalWindow, "shared" => PtxParser.SharedWindow, _ => 0 };
            for (int lane = 0; lane < PtxWarp.Lanes; lane++)
                all[lane] -= window;
            for (int n = 0; n < count; n++)
                active[n] -= window;
        }

        if (where == "global")
            warp.Group.Counters.Global(store, active[..count], bytes * vector);
        else if (where == "shared")
            warp.Group.Counters.Shared(active[..count], bytes * vector);
        int first = store ? 1 : 0;
        for (int lane = 0; lane < PtxWarp.Lanes; lane++)
        {
            if ((mask >> lane & 1) == 0)
                continue;
            try
            {
                for (int v = 0; v < vector; v++)
                {
                    ulong address = all[lane] + (ulong)(v * bytes);
                    ref ulong register = ref warp.Register(i.Slots[first + v])[lane];
                    if (store)
                        Write(warp, where, address, bytes, register, lane);
                    else
                        register = Extend(Read(warp, where, address, bytes, lane), type);
                }
            }
            catch (PtxException e)
            {
                throw warp.Error(i, lane, e);
            }
        }
    }

    static ulong Extend(ulong value, string type) => type switch
    {
        "s8" => (uint)(sbyte)value,
        "s16" => (uint)(short)value,
        _ => value,
    };

    static ulong Read(PtxWarp warp, string space, ulong address, int bytes, int lane) => space switch
    {
        "param" => warp.Group.Parameter(address, bytes),
        "global" => warp.Group.Global.Read(address, bytes),
        "shared" => warp.Group.Shared.Read(address, bytes, warp.Index),
        _ => warp.Local.Read(address, bytes, lane),
    };

    static void Write(PtxWarp warp, string space, ulong address, int bytes, ulong value, int lane)
    {
        switch (space)
        {
            case "global":
                warp.Group.Global.Write(address, bytes, value);
                break;
            case "shared":
                warp.Group.Shared.Write(address, bytes, value, warp.Index);
                break;
            default:
                warp.Local.Write(address, bytes, value, lane);
                break;
        }
    }
}
