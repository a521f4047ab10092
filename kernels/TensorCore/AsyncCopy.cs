using ILGPU.IR.Intrinsics;

namespace IlgpuDiffusion.Kernels.TensorCore;

/// cp.async: copies from global to shared memory that run beside the arithmetic. A thread issues copies, closes them into a group with <see cref="Commit"/>, and waits for
/// its older groups; what others copied is visible after a barrier that follows their wait.
public static class AsyncCopy
{
    /// 16 bytes, of which the first `bytes` are read and the rest are zero: 0 or 16 at the edges of a matrix. Both addresses are multiples of 16; the cache of the first level is passed by.
    [IntrinsicImplementation]
    [Ptx("""
        {
        .reg .u64 source;
        cvta.to.global.u64 source, $1;
        cp.async.cg.shared.global [$0], [source], 16, $2;
        }
        """)]
    public static void Copy16(uint shared, ref ushort source, int bytes) => throw new NotSupportedException("cp.async needs PTX");

    [IntrinsicImplementation]
    [Ptx("cp.async.commit_group;")]
    public static void Commit() => throw new NotSupportedException("cp.async needs PTX");

    [IntrinsicImplementation]
    [Ptx("cp.async.wait_group 0;")]
    public static void WaitAll() => throw new NotSupportedException("cp.async needs PTX");

    /// Waits until at most one group, the youngest, is still under way.
    [IntrinsicImplementation]
    [Ptx("cp.async.wait_group 1;")]
    public static void WaitAllButOne() => throw new NotSupportedException("cp.async needs PTX");
}
