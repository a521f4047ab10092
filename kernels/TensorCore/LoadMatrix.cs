using ILGPU.IR.Intrinsics;

namespace IlgpuDiffusion.Kernels.TensorCore;

/// ldmatrix: four 8×8 matrices of 16-bit elements from shared memory into a warp's fragments. Thread 8j + i names the address of row i of matrix j (16 bytes, aligned);
/// register j of thread l then holds elements 2(l % 4) and 2(l % 4) + 1 of row l / 4 of matrix j, or of the transposed matrix.
public static class LoadMatrix
{
    [IntrinsicImplementation]
    [Ptx("ldmatrix.sync.aligned.m8n8.x4.shared.b16 $r, [$0];")]
    public static Fragment X4(uint address) => throw new NotSupportedException("ldmatrix needs PTX");

    [IntrinsicImplementation]
    [Ptx("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 $r, [$0];")]
    public static Fragment X4Transposed(uint address) => throw new NotSupportedException("ldmatrix needs PTX");
}
