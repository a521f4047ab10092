using static IlgpuDiffusion.Kernels.Simulation.PtxType;

namespace IlgpuDiffusion.Kernels.Simulation;

/// mma and ldmatrix: what a warp's threads hold together. Products are summed exactly and rounded once; a chip keeps fewer bits of the sum, so its last bits can differ.
internal static class PtxMatrix
{
    public static void Decode(PtxInstruction i)
    {
        (i.Flow, i.Class) = (PtxFlow.Together, PtxClass.TensorCore);
        i.Execute = i.Opcode switch
        {
            "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32" => (warp, at, mask) => Multiply16(warp, at, mask, BF),
            "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32" => (warp, at, mask) => Multiply16(warp, at, mask, H),
            "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32" => Multiply8,
            "ldmatrix.sync.aligned.m8n8.x4.shared.b16" => (warp, at, mask) => Load(warp, at, mask, transposed: false),
            "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16" => (warp, at, mask) => Load(warp, at, mask, transposed: true),
            _ => throw PtxDecoder.Unknown(i),
        };
        if (i.Parts[0] == "ldmatrix")
            i.Class = PtxClass.Shared;
    }

    static void Multiply16(PtxWarp warp, PtxInstruction i, uint mask, Func<ulong, float> number)
    {
        Full(warp, i, mask);
        Span<float> a = stackalloc float[16 * 16], b = stackalloc float[16 * 8];
        for (int lane = 0; lane < PtxWarp.Lanes; lane++)
        {
            int g = lane / 4, t = lane % 4;
            for (int r = 0; r < 4; r++)
            {
                ulong pair = warp.Register(i.Slots[4 + r])[lane];
                int at = ((g + (r % 2 * 8)) * 16) + (2 * t) + (r / 2 * 8);
                (a[at], a[at + 1]) = (number((ushort)pair), number((ushort)(pair >> 16)));
            }

            for (int r = 0; r < 2; r++)
            {
                ulong pair = warp.Register(i.Slots[8 + r])[lane];
                int k = (2 * t) + (r * 8);
                (b[(k * 8) + g], b[((k + 1) * 8) + g]) = (number((ushort)pair), number((ushort)(pair >> 16)));
            }
        }

        Multiply(warp, i, a, b, 16);
    }

    static void Multiply8(PtxWarp warp, PtxInstruction i, uint mask)
    {
        Full(warp, i, mask);
        const uint Kept = ~0x1FFFu;
        Span<float> a = stackalloc float[16 * 8], b = stackalloc float[8 * 8];
        for (int lane = 0; lane < PtxWarp.Lanes; lane++)
        {
            int g = lane / 4, t = lane % 4;
            for (int r = 0; r < 4; r++)
                a[((g + (r % 2 * 8)) * 8) + t + (r / 2 * 4)] = F(warp.Register(i.Slots[4 + r])[lane] & Kept);
            for (int r = 0; r < 2; r++)
                b[((t + (r * 4)) * 8) + g] = F(warp.Register(i.Slots[8 + r])[lane] & Kept);
        }

        Multiply(warp, i, a, b, 8);
    }

    // Slots: four of D, then A and B, four of C.
    static void Multiply(PtxWarp warp, PtxInstruction i, ReadOnlySpan<float> a, ReadOnlySpan<float> b, int depth)
    {
        for (int lane = 0; lane < PtxWarp.Lanes; lane++)
        {
            for (int r = 0; r < 4; r++)
            {
                int row = (lane / 4) + (r / 2 * 8), column = (2 * (lane % 4)) + (r % 2);
                double sum = F(warp.Register(i.Slots[10 + r])[lane]);
                for (int k = 0; k < depth; k++)
                    sum += (double)a[(row * depth) + k] * b[(k * 8) + column];
                warp.Register(i.Slots[r])[lane] = F((float)sum);
            }
        }
    }

    static void Load(PtxWarp warp, PtxInstruction i, uint mask, bool transposed)
    {
        Full(warp, i, mask);
        Span<ulong> rows = stackalloc ulong[PtxWarp.Lanes];
        for (int lane = 0; lane < PtxWarp.Lanes; lane++)
        {
            rows[lane] = (uint)warp.Register(i.Slots[4])[lane] + (ulong)i.Offset;
            if (rows[lane] % 16 != 0)
                throw warp.Error(i, lane, new PtxException($"names a row at {rows[lane]}, which is no multiple of 16"));
        }

        warp.Group.Counters.Shared(rows, 16);
        for (int lane = 0; lane < PtxWarp.Lanes; lane++)
        {
            for (int matrix = 0; matrix < 4; matrix++)
            {
                int outer = lane / 4, inner = 2 * (lane % 4);
                try
                {
                    warp.Register(i.Slots[matrix])[lane] = transposed
                        ? Element(warp, rows, matrix, inner, outer) | (Element(warp, rows, matrix, inner + 1, outer) << 16)
                        : Element(warp, rows, matrix, outer, inner) | (Element(warp, rows, matrix, outer, inner + 1) << 16);
                }
                catch (PtxException e)
                {
                    throw warp.Error(i, lane, e);
                }
            }
        }
    }

    static ulong Element(PtxWarp warp, ReadOnlySpan<ulong> rows, int matrix, int row, int column) =>
        warp.Group.Shared.Read(rows[(matrix * 8) + row] + (ulong)(2 * column), 2, warp.Index);

    static void Full(PtxWarp warp, PtxInstruction i, uint mask)
    {
        if (mask != uint.MaxValue)
            throw warp.Error(i, System.Numerics.BitOperations.TrailingZeroCount(~mask), new PtxException("is missing where all 32 threads of a warp must come"));
    }
}
