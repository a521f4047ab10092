using ILGPU.IR.Intrinsics;

namespace IlgpuDiffusion.Kernels.TensorCore;

/// Two neighbouring floats in one store: a warp's accumulators then fill whole sectors.
public static class GlobalPair
{
    /// `first` lies at a multiple of 8 bytes.
    [IntrinsicImplementation]
    [Ptx("""
        {
        .reg .u64 target;
        cvta.to.global.u64 target, $0;
        st.global.v2.f32 [target], {$1, $2};
        }
        """)]
    public static void Store(ref float first, float left, float right) => throw new NotSupportedException("paired stores need PTX");
}
