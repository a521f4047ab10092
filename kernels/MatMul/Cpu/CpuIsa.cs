using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace IlgpuDiffusion.Kernels.MatMul.Cpu;

/// Instruction sets that the matrix product of the `cpu` device is written for.
enum CpuIsa
{
    /// 4×8 tiles of Vector128: any processor.
    Vector128,

    /// 6×16 tiles of Vector256 with FMA.
    Avx2,

    /// 12×32 tiles of Vector512.
    Avx512,
}

static class CpuIsas
{
    /// The widest set that this processor runs well. Decided once: results of one process never mix rounding orders.
    public static readonly CpuIsa Best = Vector512.IsHardwareAccelerated && Avx512F.IsSupported ? CpuIsa.Avx512
        : Vector256.IsHardwareAccelerated && Fma.IsSupported ? CpuIsa.Avx2
        : CpuIsa.Vector128;
}
