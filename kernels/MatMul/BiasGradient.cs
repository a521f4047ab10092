using System.Numerics;
using ILGPU;
using ILGPU.Runtime;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.MatMul.Cpu;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.MatMul;

/// db[n] += Σ_m dy[m, n]:  the gradient of a bias. Rows are summed in blocks side by side, so a tall matrix keeps all workers busy; the order of the sums
/// depends on the shape alone.
public static unsafe class BiasGradient
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Accumulate(ReadOnlySpan<float> x, Span<float> sum, int rows, int columns)
        {
            for (int n = 0; n < columns; n++)
            {
                double total = sum[n];
                for (int m = 0; m < rows; m++)
                    total += x[m * columns + n];
                sum[n] = (float)total;
            }
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    // V1: one thread a column; neighbouring threads read neighbouring floats. Blocks of rows are summed apart, which keeps
    // rounding at the level of a block and not of all rows.
    const int BlockRows = 256;

    internal static void AccumulateV1Kernel(Index1D n, ArrayView<float> x, ArrayView<float> sum, int rows, int columns)
    {
        float total = 0;
        for (int first = 0; first < rows; first += BlockRows)
        {
            float block = 0;
            int end = IntrinsicMath.Min(first + BlockRows, rows);
            for (int m = first; m < end; m++)
                block += x[(long)m * columns + n];
            total += block;
        }

        sum[n] += total;
    }

    // ---- launchers ---------------------------------------------------------------------------------

    /// x: (rows, columns)   sum: (columns), added to.
    public static void Accumulate(KernelContext k, ArrayView<float> x, ArrayView<float> sum, int rows, int columns)
    {
        using LaunchScope launch = k.Scope("BiasGradient.Accumulate", (rows, columns), Work.Of((long)rows * columns, ((long)rows * columns) + (2L * columns)));
        if (x.Length < (long)rows * columns || sum.Length < columns)
            throw new ArgumentException($"BiasGradient: ({rows}, {columns}) needs more than x's {x.Length} and sum's {sum.Length} floats");
        if (k.Cpu is { } cpu)
            AccumulateCpu(cpu, x.Pointer(), sum.Pointer(), rows, columns);
        else
            k.Launch(AccumulateV1Kernel, columns, x, sum, rows, columns);
    }

    // ---- cpu ---------------------------------------------------------------------------------------

    static void AccumulateCpu(CpuPool pool, float* x, float* sum, int rows, int columns)
    {
        if (rows == 0 || columns == 0)
            return;
        int blocks = GemmPlan.CeilDiv(rows, BlockRows);
        if (blocks == 1)
        {
            AddRows(x, rows, columns, sum);
            return;
        }

        float* partial = Scratch.OfThread.Get(Scratch.Slot.Partial, (long)blocks * columns);
        pool.For(blocks, block =>
        {
            float* to = partial + (long)block * columns;
            new Span<float>(to, columns).Clear();
            int first = block * BlockRows;
            AddRows(x + (long)first * columns, Math.Min(BlockRows, rows - first), columns, to);
        });
        AddRows(partial, blocks, columns, sum);
    }

    static void AddRows(float* x, int rows, int columns, float* sum)
    {
        int n = 0;
        int lanes = Vector<float>.Count;
        for (; n + 2 * lanes <= columns; n += 2 * lanes)
        {
            Vector<float> low = Vector<float>.Zero, high = Vector<float>.Zero;
            float* at = x + n;
            for (int m = 0; m < rows; m++, at += columns)
            {
                low += Vector.Load(at);
                high += Vector.Load(at + lanes);
            }

            (low + Vector.Load(sum + n)).Store(sum + n);
            (high + Vector.Load(sum + n + lanes)).Store(sum + n + lanes);
        }

        for (; n < columns; n++)
        {
            float total = 0;
            for (int m = 0; m < rows; m++)
                total += x[(long)m * columns + n];
            sum[n] += total;
        }
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("R=300 C=40")]
    internal static void AccumulateTrial(Trial t)
    {
        Floats x = t.Normal((long)t["R"] * t["C"]), sum = t.Changed(t["C"], Trial.SumOf(t["R"]));
        t.Run(() => Accumulate(t.Kernels, x, sum, t["R"], t["C"]), () => Reference.Accumulate(x, sum, t["R"], t["C"]));
    }
}
