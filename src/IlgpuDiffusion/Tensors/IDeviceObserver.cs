using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Tensors;

/// Sees what a device does: its launches and its memory. A device carries at most one; without one each of these is a comparison with null.
public interface IDeviceObserver : ILaunchObserver
{
    /// A device was opened with this observer, and is about to go.
    void Opened(Device device);

    void Closing(Device device);

    /// `owner` got or gave back memory of the system.
    void Allocated(string owner, long bytes);

    void Released(string owner, long bytes);

    /// An arena was made, and is about to be reset: the end of a step.
    void Opened(Arena arena);

    void Resetting(Arena arena);
}
