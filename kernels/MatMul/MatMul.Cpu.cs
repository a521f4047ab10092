using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.MatMul.Cpu;

namespace IlgpuDiffusion.Kernels.MatMul;

/// The `cpu` device's product: four ways to read two operands, one driver.
public static unsafe partial class MatMul
{
    internal static void ForwardCpu(
        CpuPool pool, ArrayView<float> a, ArrayView<float> b, ArrayView<float> bias, ArrayView<float> c, MatMulShape s, ArrayView<float> residual, CpuIsa isa)
    {
        float* biasData = bias.Length > 0 ? bias.Pointer() : null;
        MatrixRows rows = new(c.Pointer(), s.N, (long)s.M * s.N);
        MatrixRows? start = s.Accumulate ? rows : residual.Length > 0 ? new MatrixRows(residual.Pointer(), s.N, (long)s.M * s.N) : null;
        GemmShape shape = new(s.Batch, s.M, s.N, s.K);
        if (s.TransposeA)
            WithA(new RowsAcrossK(a.Pointer(), s.M, (long)s.M * s.K));
        else
            WithA(new RowsAlongK(a.Pointer(), s.K, (long)s.M * s.K));

        void WithA<TA>(TA left)
            where TA : struct, IPanelSource
        {
            if (s.Scale == 1)
                WithScale(left);
            else
                WithScale(new Scaled<TA>(left, s.Scale));
        }

        void WithScale<TA>(TA left)
            where TA : struct, IPanelSource
        {
            if (s.TransposeB)
                Gemm.Run(pool, shape, left, new RowsAlongK(b.Pointer(), s.K, (long)s.K * s.N), rows, biasData, start, isa);
            else
                Gemm.Run(pool, shape, left, new RowsAcrossK(b.Pointer(), s.N, (long)s.K * s.N), rows, biasData, start, isa);
        }
    }
}
