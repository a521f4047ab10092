namespace IlgpuDiffusion.Kernels.Simulation;

/// A group's shared memory. Beside the bytes it keeps who wrote and read them since when, in pieces of two bytes.
/// Errors: an access outside, a read of what nobody wrote (or what a cp.async is still bringing), and a race: two warps at the same place, one of them writing,
/// with no barrier between. Within one warp, whose threads run in step here, a missing `bar.warp.sync` is not seen.
internal sealed class PtxSharedMemory(int bytes)
{
    const int Never = 0, Several = -1;

    struct Cell
    {
        public int Written;
        public int Writer;
        public int Read;
        public int Reader;
    }

    readonly byte[] memory = new byte[(bytes + 1) / 2 * 2];
    readonly Cell[] cells = new Cell[(bytes + 1) / 2];

    /// Counts barriers, from 1.
    public int Epoch { get; set; } = 1;

    public ulong Read(ulong address, int size, int warp)
    {
        Check(address, size, "reads");
        for (int c = (int)address / 2; c < ((int)address + size + 1) / 2; c++)
        {
            ref Cell cell = ref cells[c];
            if (cell.Written == Never)
                throw new PtxException($"reads byte {address} of shared memory, which nobody has written (or a cp.async is still bringing)");
            if (cell.Written == Epoch && cell.Writer != warp)
                throw new PtxException($"races: warp {warp} reads byte {address} of shared memory, which warp {cell.Writer} wrote with no barrier between");
            cell.Reader = cell.Read == Epoch && cell.Reader != warp ? Several : warp;
            cell.Read = Epoch;
        }

        ulong value = 0;
        for (int i = size - 1; i >= 0; i--)
            value = (value << 8) | memory[(int)address + i];
        return value;
    }

    public void Write(ulong address, int size, ulong value, int warp)
    {
        Claim(address, size, warp);
        for (int c = (int)address / 2; c < ((int)address + size + 1) / 2; c++)
            (cells[c].Written, cells[c].Writer) = (Epoch, warp);
        for (int i = 0; i < size; i++)
            memory[(int)address + i] = (byte)(value >> (8 * i));
    }

    /// What a cp.async will overwrite cannot be read before it has been waited for.
    public void Bringing(ulong address, int size, int warp)
    {
        Claim(address, size, warp);
        for (int c = (int)address / 2; c < ((int)address + size + 1) / 2; c++)
            cells[c].Written = Never;
    }

    void Claim(ulong address, int size, int warp)
    {
        Check(address, size, "writes");
        for (int c = (int)address / 2; c < ((int)address + size + 1) / 2; c++)
        {
            ref Cell cell = ref cells[c];
            if (cell.Written == Epoch && cell.Writer != warp)
                throw new PtxException($"races: warp {warp} writes byte {address} of shared memory, which warp {cell.Writer} wrote with no barrier between");
            if (cell.Read == Epoch && cell.Reader != warp)
                throw new PtxException($"races: warp {warp} writes byte {address} of shared memory, which {(cell.Reader == Several ? "several warps" : $"warp {cell.Reader}")} read with no barrier between");
        }
    }

    void Check(ulong address, int size, string does)
    {
        if (address + (ulong)size > (ulong)bytes)
            throw new PtxException($"{does} {size} bytes at {(long)address} of {bytes} bytes of shared memory");
    }
}
