namespace IlgpuDiffusion.Kernels.Simulation;

/// What a launch may touch of the host's memory: the views among its arguments, to the byte. Memory that nobody has written yet is marked by a pattern.
/// Errors: an access outside all views, one that is not aligned, a read of marked memory.
internal sealed unsafe class PtxGlobalMemory
{
    /// Marks memory as not written: a signalling NaN in F32, bf16 and F16, which no arithmetic produces.
    public const ushort Unwritten = 0x7FA5;

    readonly List<(ulong Begin, ulong End)> views = [];
    int last;

    public void Allow(ulong address, ulong bytes)
    {
        if (bytes > 0)
            views.Add((address, address + bytes));
    }

    public static void Mark(Span<byte> memory) => System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ushort>(memory).Fill(Unwritten);

    public ulong Read(ulong address, int bytes)
    {
        Check(address, bytes, "reads");
        ulong value = bytes switch { 1 => *(byte*)address, 2 => *(ushort*)address, 4 => *(uint*)address, _ => *(ulong*)address };
        if (bytes > 1 && (ushort)value == Unwritten && (bytes == 2 || (ushort)(value >> 16) == Unwritten))
            throw new PtxException("reads global memory that nobody has written");
        return value;
    }

    public void Write(ulong address, int bytes, ulong value)
    {
        Check(address, bytes, "writes");
        switch (bytes)
        {
            case 1:
                *(byte*)address = (byte)value;
                break;
            case 2:
                *(ushort*)address = (ushort)value;
                break;
            case 4:
                *(uint*)address = (uint)value;
                break;
            default:
                *(ulong*)address = value;
                break;
        }
    }

    void Check(ulong address, int bytes, string does)
    {
        for (int n = 0; n < views.Count; n++, last++)
        {
            if (last >= views.Count)
                last = 0;
            if (address >= views[last].Begin && address + (ulong)bytes <= views[last].End)
                return;
        }

        (ulong begin, ulong end) = views.DefaultIfEmpty().MinBy(v => address < v.Begin ? v.Begin - address : address - v.Begin);
        throw new PtxException($"{does} {bytes} bytes of global memory outside every view: byte {(long)(address - begin)} of a view of {end - begin}");
    }
}
