namespace IlgpuDiffusion.Kernels.Common;

/// What an operation's formula needs, whatever the code does. Flops: every addition, multiplication, division, root and exponential is one, a multiply-add two. Bytes: each operand
/// is read once and each result written once (one that is added to: both), as if nothing fell out of a cache; scratch does not count. So versions of an
/// operation are measured by the same numbers, and Winograd's convolution may exceed the machine's peak.
public readonly record struct Work(long Flops, long Bytes)
{
    /// `floats`: numbers of F32 read and written.
    public static Work Of(long flops, long floats) => new(flops, floats * sizeof(float));

    /// With as many numbers of a residual, added to the result.
    public Work WithResidual(long floats) => new(Flops + floats, Bytes + (floats * sizeof(float)));
}
