namespace IlgpuDiffusion.Kernels.Common;

/// Threads of a group, and the bytes of shared memory that a kernel takes at launch (`SharedMemory.GetDynamic`) beside what it declares. A number is that many threads.
public readonly record struct GroupSize(int Threads, int SharedBytes = 0)
{
    public static implicit operator GroupSize(int threads) => new(threads);
}
