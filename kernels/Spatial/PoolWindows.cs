namespace IlgpuDiffusion.Kernels.Spatial;

/// Square windows over (H, W) of channels-last pixels: extents in and out, and how they lie.
/// Output (i, j) looks at rows i·Stride − Padding … + Kernel − 1, and so in columns; what lies outside is not there.
public readonly record struct PoolWindows(int H, int W, int OutH, int OutW, int C, int Kernel, int Stride, int Padding)
{
    public static PoolWindows Of(int h, int w, int c, int kernel, int stride, int padding) =>
        new(h, w, ((h + (2 * padding) - kernel) / stride) + 1, ((w + (2 * padding) - kernel) / stride) + 1, c, kernel, stride, padding);

    /// The first window that covers row or column `at`, and one past the last, out of `count`.
    public int FirstOver(int at) => at + Padding < Kernel ? 0 : ((at + Padding - Kernel) / Stride) + 1;

    public int EndOver(int at, int count)
    {
        int end = ((at + Padding) / Stride) + 1;
        return end < count ? end : count;
    }
}
