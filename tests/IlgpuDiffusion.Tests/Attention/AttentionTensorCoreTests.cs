using Kernel = IlgpuDiffusion.Kernels.Attention.Attention;

namespace IlgpuDiffusion.Tests.Attention;

/// The tensor-core attention's text on `ptx-sim`, forward. Never run on a GPU.
public sealed class AttentionTensorCoreTests(KernelDevices devices) : IClassFixture<KernelDevices>
{
    // Each probability is rounded to bf16, by at most half of 2⁻⁷ of it; they sum to one, so an output moves by at most 2⁻⁸ of the largest value.
    const double ProbabilityTolerance = 1.0 / 256;

    // Scores are exact products summed in F32; the exponentials add a few units of 2⁻²⁴ each.
    const double StatisticsTolerance = 2e-6;

    // One of everything, tiles of keys and queries with one too many, heads side by side, causal with a partial last tile, the widest head.
    public static TheoryData<int, int, int, int, int, bool> Cases => new()
    {
        { 1, 1, 1, 1, 8, false },
        { 2, 7, 33, 2, 40, false },
        { 1, 65, 64, 1, 16, false },
        { 1, 70, 70, 2, 24, true },
        { 1, 20, 97, 1, 64, false },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Forward_matches_the_reference(int b, int queries, int keys, int heads, int width, bool causal)
    {
        Kernel.Dims d = new(b, queries, keys, heads, width, 1 / MathF.Sqrt(width), causal);
        (ushort[] qBits, float[] q) = KernelDevices.Halves((long)b * queries * d.Stride, 1);
        (ushort[] kBits, float[] k) = KernelDevices.Halves((long)b * keys * d.Stride, 2);
        (ushort[] vBits, float[] v) = KernelDevices.Halves((long)b * keys * d.Stride, 3);
        float[] expected = new float[q.Length], o = new float[q.Length], stats = new float[b * heads * queries * Kernel.Stats];
        Kernel.Reference.Forward(q, k, v, [], expected, d);
        devices.Run([qBits, kBits, vBits], [o, stats], (h, f) => Kernel.ForwardTensorCore(devices.Ptx, h[0], h[1], h[2], f[0], f[1], d));
        double allowed = ProbabilityTolerance * v.Max(Math.Abs);
        for (int i = 0; i < o.Length; i++)
            Assert.True(Math.Abs((double)expected[i] - o[i]) <= allowed, $"o[{i}] = {o[i]:R}, expected {expected[i]:R}, allowed {allowed:E2}");

        // The statistics are those of the portable kernel, from which the backward pass starts.
        float[] portable = new float[stats.Length], ignored = new float[o.Length];
        devices.Run([q, k, v, ignored, portable], f => Kernel.Forward(devices.Ptx, f[0], f[1], f[2], ILGPU.ArrayView<float>.Empty, f[3], f[4], d));
        KernelDevices.AssertClose(portable, stats, StatisticsTolerance, "statistics");
    }

    [Fact]
    public void A_head_that_is_too_wide_is_refused()
    {
        Kernel.Dims d = new(1, 1, 1, 1, 80, 1, false);
        ArgumentException e = Assert.Throws<ArgumentException>(() => devices.Run(
            [new ushort[80], new ushort[80], new ushort[80]], [new float[80], new float[2]], (h, f) => Kernel.ForwardTensorCore(devices.Ptx, h[0], h[1], h[2], f[0], f[1], d)));
        Assert.Contains("D = 80 must be a multiple of 8 up to 64", e.Message, StringComparison.Ordinal);
    }
}
