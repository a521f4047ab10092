using ILGPU;

namespace IlgpuDiffusion.Tensors;

/// Owns all temporaries of one step: memory is handed out by moving a pointer over a few large blocks, and all of it is taken back
/// at once by <see cref="Reset"/>. Tensors of an earlier step are recognised by their generation and refused.
public sealed class Arena : IDisposable
{
    const string LayersOwner = "activations of a layer";

    readonly long blockBytes;
    readonly string owner;
    readonly List<DeviceBuffer> blocks = [];
    // Of the blocks before the current one, those that were too small for what came first: nothing of this step is in them.
    readonly List<DeviceBuffer> passed = [];
    Arena? layers;
    int block;
    long used;
    long before;

    public Arena(Device device, long blockBytes = 32L << 20, string owner = "activations")
    {
        (Device, this.blockBytes, this.owner) = (device, blockBytes, owner);
        Observer?.Opened(this);
    }

    public Device Device { get; }

    /// Counts resets: a tensor that carries another number is stale.
    public int Generation { get; private set; }

    /// Bytes handed out since the last reset, and the most in any step.
    public long UsedBytes => before + used;

    public long PeakBytes { get; private set; }

    /// Bytes of the blocks now held.
    public long Bytes => blocks.Sum(b => b.Bytes);

    /// A second arena for what one layer computes on the way, which is taken back when the layer is done; it has none of its own, as layers do not nest.
    internal Arena? Layers => owner == LayersOwner ? null : layers ??= new Arena(Device, blockBytes, LayersOwner);

    // A step is the whole one's: what a layer takes back is none.
    IDeviceObserver? Observer => owner == LayersOwner ? null : Device.Observer;

    internal ArrayView<T> Take<T>(long count)
        where T : unmanaged
    {
        long bytes = count * Interop.SizeOf<T>();
        long padded = (bytes + DeviceBuffer.Alignment - 1) / DeviceBuffer.Alignment * DeviceBuffer.Alignment;
        while (block < blocks.Count && used + padded > blocks[block].Bytes)
        {
            if (used == 0)
                passed.Add(blocks[block]);
            before += used;
            used = 0;
            block++;
        }

        if (block == blocks.Count)
        {
            GiveBackPassed();
            blocks.Add(Device.Allocate(Math.Max(blockBytes, padded), owner));
        }

        ArrayView<T> view = blocks[block].View<T>(used, count);
        Device.Kernels.Simulator?.Forget(view);
        used += padded;
        PeakBytes = Math.Max(PeakBytes, UsedBytes);
        return view;
    }

    /// A tensor whose elements are not set.
    public Tensor New(Shape shape) => new(Device.Kernels, Take<float>(shape.Count), shape, this);

    /// Ends the step: everything handed out is taken back; the blocks stay for the next step.
    public void Reset()
    {
        Observer?.Resetting(this);
        Rewind();
    }

    void Rewind()
    {
        block = 0;
        used = 0;
        before = 0;
        passed.Clear();
        Generation++;
    }

    /// Ends the step and gives all memory back to the system: for when another kind of work comes next.
    public void Release()
    {
        Device.Synchronize();
        layers?.Release();
        foreach (DeviceBuffer buffer in blocks)
            buffer.Dispose();
        blocks.Clear();
        Rewind();
    }

    // Steps of another kind left blocks that this one cannot use: without this, memory would grow to the sum of all kinds and not to the largest.
    void GiveBackPassed()
    {
        if (passed.Count == 0)
            return;
        // An earlier step's kernels may still be queued.
        Device.Synchronize();
        foreach (DeviceBuffer buffer in passed)
        {
            blocks.Remove(buffer);
            buffer.Dispose();
        }

        block -= passed.Count;
        passed.Clear();
    }

    public void Dispose()
    {
        Release();
        layers = null;
    }
}
