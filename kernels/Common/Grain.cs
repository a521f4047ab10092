namespace IlgpuDiffusion.Kernels.Common;

/// How much of an elementwise loop one task of the `cpu` pool gets: enough to be worth a hand-over (about a microsecond), little enough to
/// stay in the first-level cache. A constant, so that results never depend on the number of threads.
public static class Grain
{
    public const int Elements = 8192;

    /// Rows a task for loops over rows of `width` elements.
    public static int Rows(int width) => Math.Max(1, Elements / Math.Max(1, width));
}
