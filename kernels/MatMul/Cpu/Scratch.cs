using System.Runtime.InteropServices;

namespace IlgpuDiffusion.Kernels.MatMul.Cpu;

/// 64-byte aligned packing memory of one thread: it grows to the largest tile asked for and then stays, so a product allocates nothing.
sealed unsafe class Scratch
{
    [ThreadStatic]
    static Scratch? ofThread;

    readonly float*[] blocks = new float*[7];
    readonly long[] lengths = new long[7];

    Scratch()
    {
    }

    ~Scratch()
    {
        foreach (float* block in blocks)
            NativeMemory.AlignedFree(block);
    }

    public enum Slot
    {
        A,
        B,
        Line,
        Partial,
        C,
        Edge,
        SharedB,
    }

    public static Scratch OfThread => ofThread ??= new Scratch();

    /// At least `length` floats, contents undefined, valid until the slot is asked for again.
    public float* Get(Slot slot, long length)
    {
        int i = (int)slot;
        if (lengths[i] < length)
        {
            NativeMemory.AlignedFree(blocks[i]);
            blocks[i] = null;
            lengths[i] = 0;
            blocks[i] = (float*)NativeMemory.AlignedAlloc((nuint)length * sizeof(float), 64);
            lengths[i] = length;
        }

        return blocks[i];
    }
}
