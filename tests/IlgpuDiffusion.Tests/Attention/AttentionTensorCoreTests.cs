using IlgpuDiffusion.Kernels.Simulation;
using Kernel = IlgpuDiffusion.Kernels.Attention.Attention;

namespace IlgpuDiffusion.Tests.Attention;

/// The tensor-core attention's text on `ptx-sim`, forward and backward. Never run on a GPU.
public sealed class AttentionTensorCoreTests(KernelDevices devices) : IClassFixture<KernelDevices>
{
    // Each probability is rounded to bf16, by at most half of 2⁻⁷ of it; they sum to one, so an output moves by at most 2⁻⁸ of the largest value.
    const double ProbabilityTolerance = 1.0 / 256;

    // Scores are exact products summed in F32; the exponentials add a few units of 2⁻²⁴ each.
    const double StatisticsTolerance = 2e-6;

    // One of everything, tiles of keys and queries with one too many, heads side by side, causal with a partial last tile; the widths from which on a kernel of more registers is taken, and the widest of each.
    public static TheoryData<int, int, int, int, int, bool> Cases => new()
    {
        { 1, 1, 1, 1, 8, false },
        { 2, 7, 33, 2, 40, false },
        { 1, 65, 64, 1, 16, false },
        { 1, 70, 70, 2, 24, true },
        { 1, 20, 97, 1, 64, false },
        { 1, 35, 40, 2, 72, true },
        { 1, 17, 33, 1, 96, false },
        { 1, 33, 34, 1, 104, false },
        { 2, 18, 65, 1, 160, true },
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

    [Theory]
    [MemberData(nameof(Cases))]
    public void Gradients_match_the_reference(int b, int queries, int keys, int heads, int width, bool causal)
    {
        Kernel.Dims d = new(b, queries, keys, heads, width, 1 / MathF.Sqrt(width), causal);
        (ushort[] qBits, float[] q) = KernelDevices.Halves((long)b * queries * d.Stride, 1);
        (ushort[] kBits, float[] k) = KernelDevices.Halves((long)b * keys * d.Stride, 2);
        (ushort[] vBits, float[] v) = KernelDevices.Halves((long)b * keys * d.Stride, 3);
        (ushort[] dyBits, float[] dy) = KernelDevices.Halves((long)b * queries * d.Stride, 4);
        float[] o = new float[q.Length], stats = new float[b * heads * queries * Kernel.Stats], delta = new float[b * heads * queries];
        float[] dq = new float[q.Length], dk = new float[k.Length], dv = new float[v.Length];
        float[] expectedQ = new float[q.Length], expectedK = new float[k.Length], expectedV = new float[v.Length];
        Kernel.Reference.Backward(q, k, v, [], dy, expectedQ, expectedK, expectedV, d);
        // The forward pass in F32, so that what is measured is the backward pass alone.
        devices.Run([q, k, v, o, stats], f => Kernel.Forward(devices.Ptx, f[0], f[1], f[2], ILGPU.ArrayView<float>.Empty, f[3], f[4], d));
        devices.Run([qBits, kBits, vBits, dyBits], [o, stats, delta, dq, dk, dv], (h, f) =>
            Kernel.BackwardTensorCore(devices.Ptx, h[0], h[1], h[2], f[0], f[1], h[3], f[2], f[3], f[4], f[5], d));

        // Rounding P or ds moves an output by at most 2⁻⁸ of the sum of their sizes along what is summed, times the largest number they meet.
        (double alongKeys, double alongQueries, double probabilities) = Sums(q, k, v, dy, d);
        Check(expectedQ, dq, alongKeys * k.Max(Math.Abs), "dq");
        Check(expectedK, dk, alongQueries * q.Max(Math.Abs), "dk");
        Check(expectedV, dv, probabilities * dy.Max(Math.Abs), "dv");
    }

    static void Check(float[] expected, float[] actual, double sum, string what)
    {
        double allowed = (ProbabilityTolerance * sum) + (StatisticsTolerance * expected.Max(e => Math.Abs((double)e)));
        for (int i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs((double)expected[i] - actual[i]) <= allowed, $"{what}[{i}] = {actual[i]:R}, expected {expected[i]:R}, allowed {allowed:E2}");
    }

    // The largest Σ|ds| over a query's keys and over a key's queries, and the largest ΣP over a key's queries.
    static (double AlongKeys, double AlongQueries, double Probabilities) Sums(float[] q, float[] k, float[] v, float[] dy, Kernel.Dims d)
    {
        double alongKeys = 0, alongQueries = 0, probabilities = 0;
        for (int pair = 0; pair < d.B * d.Heads; pair++)
        {
            int qs = (int)d.Start(pair / d.Heads, pair % d.Heads, d.Queries), ks = (int)d.Start(pair / d.Heads, pair % d.Heads, d.Keys);
            double[] byKey = new double[d.Keys], pByKey = new double[d.Keys];
            for (int i = 0; i < d.Queries; i++)
            {
                int seen = d.Visible(i), at = qs + (i * d.Stride);
                double[] p = [.. Enumerable.Range(0, seen).Select(j => Math.Exp(d.Scale * Dot(q, at, k, ks + (j * d.Stride), d.D)))];
                double total = p.Sum();
                double[] dp = [.. Enumerable.Range(0, seen).Select(j => Dot(dy, at, v, ks + (j * d.Stride), d.D))];
                double delta = Enumerable.Range(0, seen).Sum(j => p[j] / total * dp[j]), row = 0;
                for (int j = 0; j < seen; j++)
                {
                    double ds = Math.Abs(p[j] / total * (dp[j] - delta) * d.Scale);
                    row += ds;
                    byKey[j] += ds;
                    pByKey[j] += p[j] / total;
                }

                alongKeys = Math.Max(alongKeys, row);
            }

            (alongQueries, probabilities) = (Math.Max(alongQueries, byKey.Max()), Math.Max(probabilities, pByKey.Max()));
        }

        return (alongKeys, alongQueries, probabilities);
    }

    static double Dot(float[] a, int ai, float[] b, int bi, int d)
    {
        double sum = 0;
        for (int e = 0; e < d; e++)
            sum += (double)a[ai + e] * b[bi + e];
        return sum;
    }

    // SD 1.5's widths: the tiles of the widest take 63 KB of shared memory, more than a kernel has unasked. ldmatrix never finds two threads at one bank; a copy does where its eight pieces run over the
    // end of a row: once in two rows of 12 or 20 pieces, never where a row has 8. Rows copied: 64 queries, 64 keys and values; backward twice as many queries and gradients.
    [Theory]
    [InlineData(40, 0, 0)]
    [InlineData(80, (64 + 128) / 2, (128 + 128) / 2)]
    [InlineData(160, (64 + 128) / 2, (128 + 128) / 2)]
    public void Only_copies_over_the_end_of_a_row_want_a_bank_twice(int width, long forward, long backward)
    {
        Kernel.Dims d = new(1, 64, 64, 1, width, 1, false);
        ushort[] x = new ushort[64 * width];
        devices.Ptx.Simulator!.Clear();
        devices.Run([x, x, x, x], [new float[x.Length], new float[64 * Kernel.Stats], new float[64], new float[x.Length], new float[x.Length], new float[x.Length]], (h, f) =>
        {
            Kernel.ForwardTensorCore(devices.Ptx, h[0], h[1], h[2], f[0], f[1], d);
            Kernel.BackwardTensorCore(devices.Ptx, h[0], h[1], h[2], f[0], f[1], h[3], f[2], f[3], f[4], f[5], d);
        });
        Dictionary<string, long> conflicts = devices.Ptx.Simulator.Counters.Where(c => c.Value.Issued(PtxClass.TensorCore) > 0).ToDictionary(c => c.Key.Name.Replace("TensorCoreKernel", ""), c => c.Value.BankConflicts);
        Assert.Equal(new() { ["Forward"] = forward, ["QueryGradient"] = backward, ["KeyGradient"] = backward }, conflicts);
    }

    [Fact]
    public void A_head_that_is_too_wide_is_refused()
    {
        Kernel.Dims d = new(1, 1, 1, 1, 168, 1, false);
        ArgumentException e = Assert.Throws<ArgumentException>(() => devices.Run(
            [new ushort[168], new ushort[168], new ushort[168]], [new float[168], new float[2]], (h, f) => Kernel.ForwardTensorCore(devices.Ptx, h[0], h[1], h[2], f[0], f[1], d)));
        Assert.Contains("D = 168 must be a multiple of 8 up to 160", e.Message, StringComparison.Ordinal);
    }
}
