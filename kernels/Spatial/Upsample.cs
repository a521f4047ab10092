using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Spatial;

/// Nearest neighbour, twice in H and W:  y[b, i, j, c] = x[b, i/2, j/2, c].   Backward: dx is the sum of the four dy above it.
/// Rows are counted over samples and heights together: neither direction mixes them.
public static class Upsample
{
    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(ReadOnlySpan<float> x, Span<float> y, int b, int h, int w, int c)   // (B, H, W, C) -> (B, 2H, 2W, C)
        {
            for (int i = 0; i < b * 2 * h; i++)
            {
                for (int j = 0; j < 2 * w; j++)
                    x.Slice(((i / 2 * w) + (j / 2)) * c, c).CopyTo(y[(((i * 2 * w) + j) * c)..]);
            }
        }

        public static void Backward(ReadOnlySpan<float> dy, Span<float> dx, int b, int h, int w, int c)
        {
            dx.Clear();
            for (int i = 0; i < b * 2 * h; i++)
            {
                for (int j = 0; j < 2 * w; j++)
                {
                    for (int n = 0; n < c; n++)
                        dx[(((i / 2 * w) + (j / 2)) * c) + n] += dy[(((i * 2 * w) + j) * c) + n];
                }
            }
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    static void ForwardKernel(Index1D i, ArrayView<float> x, ArrayView<float> y, int w, int c)
    {
        int pixel = i / c, row = pixel / (2 * w), column = pixel - (row * 2 * w);
        y[i] = x[((((long)(row / 2) * w) + (column / 2)) * c) + (i - (pixel * c))];
    }

    static void BackwardKernel(Index1D i, ArrayView<float> dy, ArrayView<float> dx, int w, int c)
    {
        int pixel = i / c, row = pixel / w, column = pixel - (row * w);
        long at = ((((long)row * 4 * w) + (2 * column)) * c) + (i - (pixel * c)), below = at + (2L * w * c);
        dx[i] = dy[at] + dy[at + c] + (dy[below] + dy[below + c]);
    }

    // ---- launchers ---------------------------------------------------------------------------------
    /// `rows` = B·H of x; `w` its width.
    public static unsafe void Forward(KernelContext k, ArrayView<float> x, ArrayView<float> y, int rows, int w, int c)
    {
        using LaunchScope launch = k.Scope("Upsample.Forward", (rows, w, c), Work.Of(0, x.Length + y.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(ForwardKernel, y.Length, x, y, w, c);
            return;
        }

        float* px = x.Pointer(), py = y.Pointer();
        cpu.Range(rows, Grain.Rows(4 * w * c), (begin, end) =>
        {
            long pixel = (long)c * sizeof(float), line = 2 * w * pixel;
            for (long r = begin; r < end; r++)
            {
                float* from = px + (r * w * c), to = py + (r * 4 * w * c);
                for (int j = 0; j < w; j++)
                {
                    Buffer.MemoryCopy(from + ((long)j * c), to + (2L * j * c), pixel, pixel);
                    Buffer.MemoryCopy(from + ((long)j * c), to + (((2L * j) + 1) * c), pixel, pixel);
                }

                Buffer.MemoryCopy(to, to + (2L * w * c), line, line);
            }
        });
    }

    public static unsafe void Backward(KernelContext k, ArrayView<float> dy, ArrayView<float> dx, int rows, int w, int c)
    {
        using LaunchScope launch = k.Scope("Upsample.Backward", (rows, w, c), Work.Of(3 * dx.Length, dx.Length + dy.Length));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(BackwardKernel, dx.Length, dy, dx, w, c);
            return;
        }

        float* pdy = dy.Pointer(), pdx = dx.Pointer();
        cpu.Range(rows, Grain.Rows(4 * w * c), (begin, end) =>
        {
            for (long r = begin; r < end; r++)
            {
                for (int j = 0; j < w; j++)
                {
                    float* above = pdy + (((r * 4 * w) + (2 * j)) * c), below = above + (2L * w * c), to = pdx + (((r * w) + j) * c);
                    for (int n = 0; n < c; n += Lanes.Width)
                    {
                        int left = c - n;
                        Lanes.Store(
                            Lanes.Load(above + n, left) + Lanes.Load(above + c + n, left) + (Lanes.Load(below + n, left) + Lanes.Load(below + c + n, left)),
                            to + n,
                            left);
                    }
                }
            }
        });
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("B=1 H=4 W=5 C=8")]
    internal static void ForwardTrial(Trial t)
    {
        long count = (long)t["B"] * t["H"] * t["W"] * t["C"];
        Floats x = t.Normal(count), y = t.Result(4 * count, Trial.Exact);
        t.Run(() => Forward(t.Kernels, x, y, t["B"] * t["H"], t["W"], t["C"]), () => Reference.Forward(x, y, t["B"], t["H"], t["W"], t["C"]));
    }

    [Trial("B=1 H=4 W=5 C=8")]
    internal static void BackwardTrial(Trial t)
    {
        long count = (long)t["B"] * t["H"] * t["W"] * t["C"];
        Floats dy = t.Normal(4 * count), dx = t.Result(count, Trial.SumOf(4));
        t.Run(() => Backward(t.Kernels, dy, dx, t["B"] * t["H"], t["W"], t["C"]), () => Reference.Backward(dy, dx, t["B"], t["H"], t["W"], t["C"]));
    }
}
