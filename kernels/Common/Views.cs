using ILGPU;
using ILGPU.Runtime;

namespace IlgpuDiffusion.Kernels.Common;

/// Raw pointers of views, for kernels that the `cpu` device calls directly: its memory is plain native memory, 64-byte aligned at a tensor's start.
public static unsafe class Views
{
    public static float* Pointer(this ArrayView<float> view) => view.Length == 0 ? null : (float*)view.LoadEffectiveAddressAsPtr();

    /// Where the first multiple of `alignment` bytes is in a buffer. Of OpenCL's the address is not known, but drivers align them to the widest vector of all, 128 bytes.
    public static long Start(MemoryBuffer buffer, int alignment) =>
        buffer.Accelerator.AcceleratorType == AcceleratorType.OpenCL ? 0 : (alignment - (buffer.NativePtr.ToInt64() % alignment)) % alignment;

    public static int* Pointer(this ArrayView<int> view) => view.Length == 0 ? null : (int*)view.LoadEffectiveAddressAsPtr();
}
