using ILGPU.IR.Intrinsics;

namespace IlgpuDiffusion.Kernels.TensorCore;

/// bf16 is the upper half of an F32: stored as ushort, since ILGPU has no type for it.
public static class Bf16
{
    /// Two numbers in one register, rounded to nearest, ties to even; `low` is the one at the lower address.
    [IntrinsicImplementation]
    [Ptx("cvt.rn.bf16x2.f32 $r, $1, $0;")]
    public static uint Pack(float low, float high) => Round(low) | ((uint)Round(high) << 16);

    public static ushort Round(float x)
    {
        uint bits = BitConverter.SingleToUInt32Bits(x);
        return float.IsNaN(x) ? (ushort)0x7FFF : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    public static float Widen(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);
}
