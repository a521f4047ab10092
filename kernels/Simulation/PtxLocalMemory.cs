namespace IlgpuDiffusion.Kernels.Simulation;

/// The local memory of a warp's threads. Errors: an access outside, a read of what the thread has not written.
internal sealed class PtxLocalMemory(int bytes)
{
    readonly byte[] memory = new byte[bytes * PtxWarp.Lanes];
    readonly bool[] written = new bool[bytes * PtxWarp.Lanes];

    public ulong Read(ulong address, int size, int lane)
    {
        int at = At(address, size, lane);
        ulong value = 0;
        for (int i = size - 1; i >= 0; i--)
        {
            if (!written[at + i])
                throw new PtxException($"reads byte {address} of local memory, which the thread has not written");
            value = (value << 8) | memory[at + i];
        }

        return value;
    }

    public void Write(ulong address, int size, ulong value, int lane)
    {
        int at = At(address, size, lane);
        for (int i = 0; i < size; i++)
            (memory[at + i], written[at + i]) = ((byte)(value >> (8 * i)), true);
    }

    int At(ulong address, int size, int lane) => address + (ulong)size <= (ulong)bytes
        ? (lane * bytes) + (int)address
        : throw new PtxException($"touches {size} bytes at {(long)address} of {bytes} bytes of local memory");
}
