using System.Runtime.InteropServices;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace IlgpuDiffusion.Kernels.Common;

/// Shared memory beyond 48 KB: a driver gives it to kernels for which it was asked to, and only what is sized at launch. ILGPU 1.5.3 does not ask. **Never run on a GPU.**
static partial class LargeShared
{
    // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES and CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN.
    const int MaxDynamicSharedBytes = 8, MaxSharedPerBlockOptin = 97;

    /// From now on the kernel may be launched with as much as the device has for a group.
    public static void Allow(CudaAccelerator accelerator, Kernel kernel)
    {
        CudaException.ThrowIfFailed(DeviceAttribute(out int most, MaxSharedPerBlockOptin, accelerator.DeviceId));
        CudaException.ThrowIfFailed(SetAttribute(((CudaKernel)kernel).FunctionPtr, MaxDynamicSharedBytes, most));
    }

    [LibraryImport("cuda", EntryPoint = "cuDeviceGetAttribute")]
    private static partial CudaError DeviceAttribute(out int value, int attribute, int device);

    [LibraryImport("cuda", EntryPoint = "cuFuncSetAttribute")]
    private static partial CudaError SetAttribute(nint function, int attribute, int value);
}
