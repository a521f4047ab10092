namespace IlgpuDiffusion.Kernels.Simulation;

/// From an opcode to what runs it. An opcode that is in none of the tables is an error that names it: nothing is skipped.
internal static class PtxDecoder
{
    public static void Decode(PtxInstruction i)
    {
        switch (i.Parts[0])
        {
            case "bra":
                (i.Flow, i.Class) = (PtxFlow.Branch, PtxClass.Control);
                return;
            case "ret" or "exit":
                (i.Flow, i.Class) = (PtxFlow.Exit, PtxClass.Control);
                return;
            case "bar" when i.Opcode is "bar.sync":
                (i.Flow, i.Class) = (PtxFlow.Barrier, PtxClass.Control);
                return;
            case "ld" or "st":
                PtxMemoryInstructions.Decode(i);
                return;
            case "cp":
                PtxAsyncCopy.Decode(i);
                return;
            case "mma" or "ldmatrix":
                PtxMatrix.Decode(i);
                return;
            case "shfl" or "vote" or "activemask" or "bar":
                PtxWarpInstructions.Decode(i);
                return;
        }

        if (PtxArithmetic.Find(i) is not { } scalar)
            throw Unknown(i);
        i.Class = Class(i);
        i.Execute = i.Slots.Length switch
        {
            2 => (warp, at, mask) => Map(warp, at, mask, scalar, at.Slots[1], at.Slots[1], at.Slots[1]),
            3 => (warp, at, mask) => Map(warp, at, mask, scalar, at.Slots[1], at.Slots[2], at.Slots[2]),
            4 => (warp, at, mask) => Map(warp, at, mask, scalar, at.Slots[1], at.Slots[2], at.Slots[3]),
            _ => throw Unknown(i),
        };
    }

    public static PtxException Unknown(PtxInstruction i) => new($"'{i.Opcode}' is an instruction that ptx-sim does not know ({i.Text})");

    static void Map(PtxWarp warp, PtxInstruction i, uint mask, PtxArithmetic.Scalar scalar, int a, int b, int c)
    {
        Span<ulong> to = warp.Register(i.Slots[0]), x = warp.Register(a), y = warp.Register(b), z = warp.Register(c);
        for (int lane = 0; lane < PtxWarp.Lanes; lane++)
        {
            if ((mask >> lane & 1) != 0)
                to[lane] = scalar(x[lane], y[lane], z[lane]);
        }
    }

    static PtxClass Class(PtxInstruction i) => i.Parts[0] switch
    {
        "mov" => PtxClass.Move,
        "cvt" or "cvta" => PtxClass.Convert,
        "setp" or "selp" or "testp" => PtxClass.Predicate,
        _ when i.Parts[^1] == "pred" => PtxClass.Predicate,
        _ when i.Parts[^1] is "f32" or "f64" or "f16" => PtxClass.Float,
        _ => PtxClass.Integer,
    };
}
