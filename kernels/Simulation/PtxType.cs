namespace IlgpuDiffusion.Kernels.Simulation;

/// PTX's fundamental types by name, and registers as F32 and F64.
internal static class PtxType
{
    public static int Bytes(string type) => type switch
    {
        "b8" or "u8" or "s8" => 1,
        "b16" or "u16" or "s16" or "f16" or "bf16" => 2,
        "b32" or "u32" or "s32" or "f32" => 4,
        "b64" or "u64" or "s64" or "f64" => 8,
        _ => throw new PtxException($"'.{type}' is a type that ptx-sim does not know"),
    };

    public static float F(ulong bits) => BitConverter.UInt32BitsToSingle((uint)bits);

    public static ulong F(float value) => BitConverter.SingleToUInt32Bits(value);

    public static double D(ulong bits) => BitConverter.UInt64BitsToDouble(bits);

    public static ulong D(double value) => BitConverter.DoubleToUInt64Bits(value);

    public static float H(ulong bits) => (float)BitConverter.UInt16BitsToHalf((ushort)bits);

    public static ulong H(double value) => BitConverter.HalfToUInt16Bits((Half)value);

    public static float BF(ulong bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);
}

/// Names that every kernel knows.
internal static class PtxSymbols
{
    /// Where dynamically sized shared memory begins: behind what is allocated statically, so the launch adds that.
    public const ulong Dynamic = 1UL << 40;

    public static readonly string[] Special =
        ["%tid.x", "%tid.y", "%tid.z", "%ntid.x", "%ntid.y", "%ntid.z", "%ctaid.x", "%ctaid.y", "%ctaid.z", "%nctaid.x", "%nctaid.y", "%nctaid.z", "%laneid", "%warpid", "%dynamic_smem_size"];
}
