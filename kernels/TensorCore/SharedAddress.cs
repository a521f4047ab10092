using ILGPU.IR.Intrinsics;

namespace IlgpuDiffusion.Kernels.TensorCore;

/// Where an element lies in shared memory, in bytes: ILGPU turns no pointer into a number, and ldmatrix and cp.async want one. Taken once; offsets are then plain integers.
public static class SharedAddress
{
    [IntrinsicImplementation]
    [Ptx("""
        {
        .reg .u64 address;
        cvta.to.shared.u64 address, $0;
        cvt.u32.u64 $r, address;
        }
        """)]
    public static uint Of(ref Fragment element) => throw new NotSupportedException("shared addresses need PTX");
}
