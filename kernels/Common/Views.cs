using ILGPU;
using ILGPU.Runtime;

namespace IlgpuDiffusion.Kernels.Common;

/// Raw pointers of views, for kernels that the `cpu` device calls directly: its memory is plain native memory, 64-byte aligned at a tensor's start.
public static unsafe class Views
{
    public static float* Pointer(this ArrayView<float> view) => view.Length == 0 ? null : (float*)view.LoadEffectiveAddressAsPtr();

    public static int* Pointer(this ArrayView<int> view) => view.Length == 0 ? null : (int*)view.LoadEffectiveAddressAsPtr();
}
