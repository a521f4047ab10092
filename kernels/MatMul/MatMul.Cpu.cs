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
        float* startData = s.Accumulate ? c.Pointer() : residual.Pointer();
        GemmShape shape = new(s.Batch, s.M, s.N, s.K);
        if (s.TransposeA)
            WithA(new RowsAcrossK(a.Pointer(), s.M, (long)s.M * s.K));
        else
            WithA(new RowsAlongK(a.Pointer(), s.K, (long)s.M * s.K));

        void WithA<TA>(TA left)
            where TA : struct, IPanelSource
        {
            if (s.TransposeB)
                WithB(left, new RowsAlongK(b.Pointer(), s.K, (long)s.K * s.N));
            else
                WithB(left, new RowsAcrossK(b.Pointer(), s.N, (long)s.K * s.N));
        }

        // The smaller operand is scaled.
        void WithB<TA, TB>(TA left, TB right)
            where TA : struct, IPanelSource
            where TB : struct, IPanelSource
        {
            if (s.Scale == 1)
                Run(left, right);
            else if (s.M <= s.N)
                Run(new Scaled<TA>(left, s.Scale), right);
            else
                Run(left, new Scaled<TB>(right, s.Scale));
        }

        void Run<TA, TB>(TA left, TB right)
            where TA : struct, IPanelSource
            where TB : struct, IPanelSource
        {
            if (FewColumns.Takes(shape))
                FewColumns.Run(pool, shape, left, right, c.Pointer(), biasData, startData, isa);
            else
                Gemm.Run(pool, shape, left, right, rows, biasData, startData is null ? null : new MatrixRows(startData, s.N, (long)s.M * s.N), isa);
        }
    }
}
