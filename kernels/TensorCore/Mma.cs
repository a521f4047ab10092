using ILGPU.IR.Intrinsics;

namespace IlgpuDiffusion.Kernels.TensorCore;

/// mma.sync: D = A·B + C on the tensor cores, by the 32 threads of a warp together, with F32 sums. A is 16×k in rows, B is k×8 in columns; who holds which element:
/// PTX ISA, "Matrix Fragments for mma.m16n8k16" and "… .m16n8k8". All 32 threads must come.
public static class Mma
{
    [IntrinsicImplementation]
    [Ptx("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 $r, $0, {$1, $2}, $3;")]
    public static Accumulator Bf16(Fragment a, uint b0, uint b1, Accumulator c) => throw new NotSupportedException("mma.sync needs PTX");

    [IntrinsicImplementation]
    [Ptx("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 $r, $0, {$1, $2}, $3;")]
    public static Accumulator F16(Fragment a, uint b0, uint b1, Accumulator c) => throw new NotSupportedException("mma.sync needs PTX");

    /// Reads F32 registers and drops their last 13 bits: k = 8.
    [IntrinsicImplementation]
    [Ptx("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 $r, $0, {$1, $2}, $3;")]
    public static Accumulator Tf32(Fragment a, uint b0, uint b1, Accumulator c) => throw new NotSupportedException("mma.sync needs PTX");
}
