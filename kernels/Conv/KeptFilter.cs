using ILGPU;

namespace IlgpuDiffusion.Kernels.Conv;

/// Memory in which a convolution keeps its transformed filter from call to call, for weights that do not change; <see cref="Conv2d.KeptLength"/> says
/// how much. Empty means that nothing is kept. `Fresh` memory holds nothing yet: the call fills it.
public readonly record struct KeptFilter(ArrayView<float> Memory, bool Fresh);
