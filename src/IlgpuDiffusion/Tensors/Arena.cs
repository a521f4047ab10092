using ILGPU;

namespace IlgpuDiffusion.Tensors;

/// Owns all temporaries of one step: memory is handed out by moving a pointer over a few large blocks, and all of it is taken back
/// at once by <see cref="Reset"/>. Tensors of an earlier step are recognised by their generation and refused.
public sealed class Arena : IDisposable
{
    readonly long blockBytes;
    readonly List<DeviceBuffer> blocks = [];
    int block;
    long used;
    long before;

    public Arena(Device device, long blockBytes = 32L << 20)
    {
        (Device, this.blockBytes) = (device, blockBytes);
        device.Observer?.Opened(this);
    }

    public Device Device { get; }

    /// Counts resets: a tensor that carries another number is stale.
    public int Generation { get; private set; }

    /// Bytes handed out since the last reset, and the most in any step.
    public long UsedBytes => before + used;

    public long PeakBytes { get; private set; }

    internal ArrayView<T> Take<T>(long count)
        where T : unmanaged
    {
        long bytes = count * Interop.SizeOf<T>();
        long padded = (bytes + DeviceBuffer.Alignment - 1) / DeviceBuffer.Alignment * DeviceBuffer.Alignment;
        while (block < blocks.Count && used + padded > blocks[block].Bytes)
        {
            before += used;
            used = 0;
            block++;
        }

        if (block == blocks.Count)
            blocks.Add(Device.Allocate(Math.Max(blockBytes, padded), "arena"));
        ArrayView<T> view = blocks[block].View<T>(used, count);
        Device.Kernels.Simulator?.Forget(view);
        used += padded;
        PeakBytes = Math.Max(PeakBytes, UsedBytes);
        return view;
    }

    /// A tensor whose elements are not set.
    public Tensor New(Shape shape) => new(Take<float>(shape.Count), shape, this);

    /// Ends the step: everything handed out is taken back; the blocks stay for the next step.
    public void Reset()
    {
        Device.Observer?.Resetting(this);
        block = 0;
        used = 0;
        before = 0;
        Generation++;
    }

    public void Dispose()
    {
        foreach (DeviceBuffer buffer in blocks)
            buffer.Dispose();
        blocks.Clear();
        Reset();
    }
}
