using ILGPU.Runtime;
using Memory = ILGPU.Runtime.MemoryBuffer1D<byte, ILGPU.Stride1D.Dense>;

namespace IlgpuDiffusion.Tensors;

/// Device memory that was given back, kept for whoever asks for as much next: a GPU's driver is slow to give memory and stops everything that runs to take it back. Kernels run in order, so what
/// they still read or write is done with before the next owner's come. Sizes are rounded up, so that they meet again.
sealed class BlockCache(Accelerator accelerator)
{
    const long LargeStep = 2 << 20, SmallStep = 64 << 10, Large = 1 << 20;

    // A piece is given to who would leave at most a quarter of it unused.
    const double MostOverSize = 4.0 / 3;

    readonly List<Memory> kept = [];

    /// Bytes that nobody has and the system has not got back.
    public long Bytes => kept.Sum(m => m.Length);

    /// At least so many bytes: the smallest piece kept that fits, or a new one.   Errors: those of the driver when it has no more, also after all that was kept was given back.
    public Memory Take(long bytes, out bool isNew)
    {
        long step = bytes >= Large ? LargeStep : SmallStep, length = (bytes + step - 1) / step * step;
        Memory? fitting = kept.Where(m => m.Length >= length && m.Length <= length * MostOverSize).MinBy(m => m.Length);
        isNew = fitting is null;
        if (fitting is null)
            return New(length);
        kept.Remove(fitting);
        return fitting;
    }

    public void Keep(Memory memory) => kept.Add(memory);

    public void Clear()
    {
        kept.ForEach(m => m.Dispose());
        kept.Clear();
    }

    Memory New(long length)
    {
        try
        {
            return accelerator.Allocate1D<byte>(length);
        }
        catch (Exception e) when (kept.Count > 0 && e is OutOfMemoryException or AcceleratorException)
        {
            Clear();
            return accelerator.Allocate1D<byte>(length);
        }
    }
}
