using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.MatMul.Cpu;

namespace IlgpuDiffusion.Kernels.Adapters;

/// The `cpu` device's adapted layer: the low-rank term joins W's product along k.
public static unsafe partial class LoraLinear
{
    internal static void ForwardCpu(
        CpuPool pool, ArrayView<float> x, ArrayView<float> weight, ArrayView<float> bias, ArrayView<float> b, float scale, ArrayView<float> y,
        ArrayView<float> xa, LoraShape s, ArrayView<float> residual, CpuIsa isa)
    {
        RowsAlongK rows = new(x.Pointer(), s.In, (long)s.Rows * s.In);
        Scaled<RowsAlongK> lowRows = new(new RowsAlongK(xa.Pointer(), s.Rank, (long)s.Rows * s.Rank), scale);
        RowsAlongK columns = new(weight.Pointer(), s.In, 0);
        RowsAlongK lowColumns = new(b.Pointer(), s.Rank, (long)s.Out * s.Rank);
        Gemm.Run(
            pool,
            new GemmShape(s.Samples, s.Rows, s.Out, s.In + s.Rank),
            new Joined<RowsAlongK, Scaled<RowsAlongK>>(rows, lowRows, s.In),
            new Joined<RowsAlongK, RowsAlongK>(columns, lowColumns, s.In),
            new MatrixRows(y.Pointer(), s.Out, (long)s.Rows * s.Out),
            bias.Length > 0 ? bias.Pointer() : null,
            residual.Length > 0 ? new MatrixRows(residual.Pointer(), s.Out, (long)s.Rows * s.Out) : null,
            isa);
    }

    internal static void BackwardInputCpu(
        CpuPool pool, ArrayView<float> dy, ArrayView<float> weight, ArrayView<float> a, ArrayView<float> dya, float scale, ArrayView<float> dx,
        LoraShape s, CpuIsa isa)
    {
        RowsAlongK rows = new(dy.Pointer(), s.Out, (long)s.Rows * s.Out);
        Scaled<RowsAlongK> lowRows = new(new RowsAlongK(dya.Pointer(), s.Rank, (long)s.Rows * s.Rank), scale);
        RowsAcrossK columns = new(weight.Pointer(), s.In, 0);
        RowsAcrossK lowColumns = new(a.Pointer(), s.In, (long)s.Rank * s.In);
        Gemm.Run(
            pool,
            new GemmShape(s.Samples, s.Rows, s.In, s.Out + s.Rank),
            new Joined<RowsAlongK, Scaled<RowsAlongK>>(rows, lowRows, s.Out),
            new Joined<RowsAcrossK, RowsAcrossK>(columns, lowColumns, s.Out),
            new MatrixRows(dx.Pointer(), s.In, (long)s.Rows * s.In),
            null,
            null,
            isa);
    }
}
