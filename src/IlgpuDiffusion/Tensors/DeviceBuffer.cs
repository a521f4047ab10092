using ILGPU;
using ILGPU.Runtime;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Tensors;

/// A piece of device memory asked from the system, with the name of what it is for.
public sealed class DeviceBuffer : IDisposable
{
    /// Views start at multiples of this many bytes: a cache line, and enough for 128-bit loads on a GPU.
    public const int Alignment = 64;

    readonly Device device;
    readonly MemoryBuffer1D<byte, Stride1D.Dense> memory;
    readonly long offset;
    bool disposed;

    internal DeviceBuffer(Device device, MemoryBuffer1D<byte, Stride1D.Dense> memory, long bytes, string owner)
    {
        this.device = device;
        this.memory = memory;
        Bytes = bytes;
        Owner = owner;
        offset = Views.Start(memory, Alignment);
    }

    public long Bytes { get; }

    public string Owner { get; }

    /// `count` elements of T from byte `start` on.
    public ArrayView<T> View<T>(long start, long count)
        where T : unmanaged
    {
        long bytes = count * Interop.SizeOf<T>();
        if (start < 0 || start + bytes > Bytes)
            throw new ArgumentOutOfRangeException(nameof(start), $"{Owner}: bytes {start} to {start + bytes} lie outside its {Bytes}");
        return memory.View.BaseView.SubView(offset + start, bytes).Cast<T>();
    }

    /// A tensor of its floats from byte `start` on.
    internal Tensor Tensor(long start, Shape shape, FrozenForms? forms = null) => new(device.Kernels, View<float>(start, shape.Count), shape) { Forms = forms };

    public void Dispose()
    {
        if (disposed)
            return;
        disposed = true;
        device.Released(this, memory);
    }
}
