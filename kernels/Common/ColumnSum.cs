using System.Numerics;
using ILGPU;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Common;

/// y[s, c] = scale·Σ_r x[s, r, c], or += where asked: the gradient of everything that was broadcast over rows, and the mean over pixels.
/// Summed in blocks of 64 rows, so that the rounding error of a long column stays near that of a short one.
public static class ColumnSum
{
    const int Block = 64;

    // Columns of one task on the `cpu` pool: four cache lines a row.
    internal const int Strip = 64;

    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(ReadOnlySpan<float> x, Span<float> y, int samples, int rows, int width, float scale)   // (S, R, C) -> (S, C)
        {
            for (int s = 0; s < samples; s++)
            {
                for (int c = 0; c < width; c++)
                {
                    double sum = 0;
                    for (int r = 0; r < rows; r++)
                        sum += x[(((s * rows) + r) * width) + c];
                    y[(s * width) + c] = (float)(scale * sum);
                }
            }
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    // One thread a column: neighbours read neighbouring elements.
    static void ForwardKernel(Index1D i, ArrayView<float> x, ArrayView<float> y, int rows, int width, float scale, int accumulate)
    {
        int sample = i / width;
        long at = ((long)sample * rows * width) + (i - (sample * width));
        float sum = 0;
        for (int begin = 0; begin < rows; begin += Block)
        {
            int end = IntrinsicMath.Min(begin + Block, rows);
            float part = 0;
            for (int r = begin; r < end; r++)
            {
                part += x[at];
                at += width;
            }

            sum += part;
        }

        y[i] = accumulate != 0 ? y[i] + (scale * sum) : scale * sum;
    }

    // ---- launchers ---------------------------------------------------------------------------------
    /// x: (samples, rows, width)   y: (samples, width)
    public static unsafe void Forward(
        KernelContext k, ArrayView<float> x, ArrayView<float> y, int samples, int rows, int width, float scale = 1, bool accumulate = false)
    {
        using LaunchScope launch = k.Scope("ColumnSum.Forward", (samples, rows, width), Work.Of(x.Length, x.Length + y.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(ForwardKernel, (long)samples * width, x, y, rows, width, scale, accumulate ? 1 : 0);
            return;
        }

        float* px = x.Pointer(), py = y.Pointer();
        int strips = (width + Strip - 1) / Strip;
        cpu.For(samples * strips, task =>
        {
            int s = task / strips, from = task % strips * Strip, to = Math.Min(from + Strip, width);
            for (int c = from; c < to; c += Lanes.Width)
            {
                int left = to - c;
                float* column = px + ((long)s * rows * width) + c, total = py + ((long)s * width) + c;
                Vector<float> sum = default;
                for (int begin = 0; begin < rows; begin += Block)
                {
                    Vector<float> part = default;
                    for (int r = Math.Min(Block, rows - begin); r > 0; r--)
                    {
                        part += Lanes.Load(column, left);
                        column += width;
                    }

                    sum += part;
                }

                sum *= scale;
                Lanes.Store(accumulate ? Lanes.Load(total, left) + sum : sum, total, left);
            }
        });
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("S=2 R=100 C=40")]
    internal static void ForwardTrial(Trial t)
    {
        (int s, int r, int c) = (t["S"], t["R"], t["C"]);
        Floats x = t.Normal((long)s * r * c), y = t.Result((long)s * c, Trial.SumOf(r));
        t.Run(() => Forward(t.Kernels, x, y, s, r, c), () => Reference.Forward(x, y, s, r, c, 1));
    }
}
