using System.Runtime.CompilerServices;

namespace IlgpuDiffusion.Kernels.TensorCore;

/// A thread's share of 16×32 outputs: four 16×8 accumulators. Fields instead of an array, because ILGPU keeps fields in registers and unrolls no loop.
public struct WarpRow
{
    public Accumulator N0;
    public Accumulator N1;
    public Accumulator N2;
    public Accumulator N3;

    /// += A·B for 16 of the inner extent; `left` holds B's columns 0 to 15, `right` 16 to 31.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(Fragment a, Fragment left, Fragment right)
    {
        N0 = Mma.Bf16(a, left.X, left.Y, N0);
        N1 = Mma.Bf16(a, left.Z, left.W, N1);
        N2 = Mma.Bf16(a, right.X, right.Y, N2);
        N3 = Mma.Bf16(a, right.Z, right.W, N3);
    }
}

/// A thread's share of a warp's 64×32 outputs.
public struct WarpTile
{
    public WarpRow M0;
    public WarpRow M1;
    public WarpRow M2;
    public WarpRow M3;

    /// += A·B for one stage: A's tile from row `m` on, B's from column `n` on.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add<TA, TB>(uint a, uint b, int m, int n, int lane)
        where TA : struct, IOperand
        where TB : struct, IOperand
    {
        for (int k = 0; k < TileShape.K / 16; k++)
        {
            Fragment left = TB.B(b, n, k, lane), right = TB.B(b, n + 16, k, lane);
            M0.Add(TA.A(a, m, k, lane), left, right);
            M1.Add(TA.A(a, m + 16, k, lane), left, right);
            M2.Add(TA.A(a, m + 32, k, lane), left, right);
            M3.Add(TA.A(a, m + 48, k, lane), left, right);
        }
    }
}
