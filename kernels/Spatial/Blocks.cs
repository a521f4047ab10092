using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Spatial;

/// Where the rows of a block lie in a tensor's memory: row r of sample s starts at Start + s·Sample + r·Row, in elements.
public readonly record struct BlockLayout(long Start, long Sample, long Row);

/// Copies a block of (samples, rows, width) between two layouts: what concat, slice, pad and their gradients all are.
public static class Blocks
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Copy(ReadOnlySpan<float> x, BlockLayout from, Span<float> y, BlockLayout to, int samples, int rows, int width)
        {
            for (int s = 0; s < samples; s++)
            {
                for (int r = 0; r < rows; r++)
                {
                    for (int i = 0; i < width; i++)
                        y[(int)(to.Start + (s * to.Sample) + (r * to.Row) + i)] = x[(int)(from.Start + (s * from.Sample) + (r * from.Row) + i)];
                }
            }
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    static void CopyKernel(Index1D i, ArrayView<float> x, BlockLayout from, ArrayView<float> y, BlockLayout to, int rows, int width)
    {
        int line = i / width, column = i - (line * width), s = line / rows, r = line - (s * rows);
        y[to.Start + (s * to.Sample) + (r * to.Row) + column] = x[from.Start + (s * from.Sample) + (r * from.Row) + column];
    }

    // ---- launchers ---------------------------------------------------------------------------------
    public static unsafe void Copy(
        KernelContext k, ArrayView<float> x, BlockLayout from, ArrayView<float> y, BlockLayout to, int samples, int rows, int width)
    {
        using LaunchScope launch = k.Scope("Blocks.Copy", (samples, rows, width), Work.Of(0, 2L * samples * rows * width));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(CopyKernel, (long)samples * rows * width, x, from, y, to, rows, width);
            return;
        }

        float* px = x.Pointer() + from.Start, py = y.Pointer() + to.Start;
        long bytes = (long)width * sizeof(float);
        cpu.Range((long)samples * rows, Grain.Rows(width), (begin, end) =>
        {
            for (long line = begin; line < end; line++)
            {
                long s = line / rows, r = line - (s * rows);
                Buffer.MemoryCopy(px + (s * from.Sample) + (r * from.Row), py + (s * to.Sample) + (r * to.Row), bytes, bytes);
            }
        });
    }

    // ---- trials ------------------------------------------------------------------------------------
    // A block out of the middle of rows twice as wide.
    [Trial("S=2 R=5 C=24")]
    internal static void CopyTrial(Trial t)
    {
        (int s, int r, int c) = (t["S"], t["R"], t["C"]);
        BlockLayout from = new(c / 2, 2L * r * c, 2L * c), to = new(0, (long)r * c, c);
        Floats x = t.Normal(2L * s * r * c), y = t.Result((long)s * r * c, Trial.Exact);
        t.Run(() => Copy(t.Kernels, x, from, y, to, s, r, c), () => Reference.Copy(x, from, y, to, s, r, c));
    }
}
