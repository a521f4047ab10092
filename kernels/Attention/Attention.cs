using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.MatMul.Cpu;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Attention;

/// Scaled dot-product attention of each sample and head, D numbers a head, streaming: no Tq × Tk matrix is ever in memory.
///   s = scale·q kᵀ + bias,  P = softmax of s over keys,  o = P v.
/// Backward (derivation in Attention.md): P is recomputed by tiles from the row's maximum and reciprocal sum;
///   δ = Σ_d do·o,  dv = Pᵀ do,  ds = P·(do vᵀ − δ),  dq = scale·ds k,  dk = scale·dsᵀ q.
/// q, o are (B, Tq, heads·D), k and v (B, Tk, heads·D): heads lie side by side and are read by stride. dq, dk, dv are written (=).
/// Kept: q, k, v, o and (B, heads, Tq, 2) statistics: max s and 1 / Σ exp(s − max). Two numbers and not their log-sum-exp, which at
/// |s| ≈ 100 would cost P two digits. A row whose keys are all masked has 1/Σ = 0: its output and gradients are 0.
public static partial class Attention
{
    /// Sizes and options; a kernel argument.
    public readonly struct Dims
    {
        public readonly int B, Queries, Keys, Heads, D;
        public readonly float Scale;

        /// 1 where query i sees only keys 0 … i.
        public readonly int Causal;

        /// 1 where there is an additive bias; its steps from one sample and from one head to the next (0 where it is shared).
        public readonly int Biased, BiasSample, BiasHead;

        public Dims(int b, int queries, int keys, int heads, int d, float scale, bool causal, bool biased = false, bool biasPerSample = false, bool biasPerHead = false)
        {
            (B, Queries, Keys, Heads, D, Scale, Causal, Biased) = (b, queries, keys, heads, d, scale, causal ? 1 : 0, biased ? 1 : 0);
            BiasHead = biasPerHead ? queries * keys : 0;
            BiasSample = biasPerSample ? queries * keys * (biasPerHead ? heads : 1) : 0;
        }

        /// Floats from one position to the next.
        public int Stride => Heads * D;

        /// Where (b, 0, head) starts in a tensor of `length` positions.
        public long Start(int b, int head, int length) => ((long)b * length * Stride) + ((long)head * D);

        public long BiasStart(int b, int head) => ((long)b * BiasSample) + ((long)head * BiasHead);

        /// Keys that query i may see.
        public int Visible(int i) => Causal != 0 && i + 1 < Keys ? i + 1 : Keys;
    }

    /// Floats of statistics a row.
    public const int Stats = 2;

    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        public static void Forward(
            ReadOnlySpan<float> q,      // (B, Tq, heads·D)
            ReadOnlySpan<float> k,      // (B, Tk, heads·D)
            ReadOnlySpan<float> v,      // (B, Tk, heads·D)
            ReadOnlySpan<float> bias,   // (B | 1, heads | 1, Tq, Tk)
            Span<float> o,              // (B, Tq, heads·D)
            Dims d)
        {
            for (int row = 0; row < d.B * d.Heads * d.Queries; row++)
            {
                (int b, int head, int i) = (row / d.Queries / d.Heads, row / d.Queries % d.Heads, row % d.Queries);
                double[] p = Probabilities(q, k, bias, d, b, head, i);
                for (int e = 0; e < d.D; e++)
                {
                    double sum = 0;
                    for (int j = 0; j < p.Length; j++)
                        sum += p[j] * v[At(d, b, head, j, d.Keys) + e];
                    o[At(d, b, head, i, d.Queries) + e] = (float)sum;
                }
            }
        }

        public static void Backward(
            ReadOnlySpan<float> q,
            ReadOnlySpan<float> k,
            ReadOnlySpan<float> v,
            ReadOnlySpan<float> bias,
            ReadOnlySpan<float> dOut,
            Span<float> dq,
            Span<float> dk,
            Span<float> dv,
            Dims d)
        {
            double[] sumQ = new double[dq.Length], sumK = new double[dk.Length], sumV = new double[dv.Length];
            for (int row = 0; row < d.B * d.Heads * d.Queries; row++)
            {
                (int b, int head, int i) = (row / d.Queries / d.Heads, row / d.Queries % d.Heads, row % d.Queries);
                double[] p = Probabilities(q, k, bias, d, b, head, i), dp = new double[p.Length];
                int qi = At(d, b, head, i, d.Queries);
                double delta = 0;
                for (int j = 0; j < p.Length; j++)
                {
                    int kj = At(d, b, head, j, d.Keys);
                    for (int e = 0; e < d.D; e++)
                    {
                        dp[j] += (double)dOut[qi + e] * v[kj + e];
                        sumV[kj + e] += p[j] * dOut[qi + e];
                    }

                    delta += p[j] * dp[j];
                }

                for (int j = 0; j < p.Length; j++)
                {
                    int kj = At(d, b, head, j, d.Keys);
                    double ds = p[j] * (dp[j] - delta) * d.Scale;
                    for (int e = 0; e < d.D; e++)
                    {
                        sumQ[qi + e] += ds * k[kj + e];
                        sumK[kj + e] += ds * q[qi + e];
                    }
                }
            }

            Rounded(sumQ, dq);
            Rounded(sumK, dk);
            Rounded(sumV, dv);
        }

        static int At(Dims d, int b, int head, int position, int length) => (int)d.Start(b, head, length) + (position * d.Stride);

        static double[] Probabilities(ReadOnlySpan<float> q, ReadOnlySpan<float> k, ReadOnlySpan<float> bias, Dims d, int b, int head, int i)
        {
            double[] p = new double[d.Keys];
            for (int j = 0; j < d.Keys; j++)
            {
                for (int e = 0; e < d.D; e++)
                    p[j] += (double)d.Scale * q[At(d, b, head, i, d.Queries) + e] * k[At(d, b, head, j, d.Keys) + e];
                if (d.Biased != 0)
                    p[j] += bias[(int)d.BiasStart(b, head) + (i * d.Keys) + j];
                if (j >= d.Visible(i))
                    p[j] = double.NegativeInfinity;
            }

            double max = p.Length == 0 ? 0 : p.Max(), sum = 0;
            for (int j = 0; j < d.Keys; j++)
                sum += p[j] = double.IsNegativeInfinity(max) ? 0 : Math.Exp(p[j] - max);
            for (int j = 0; j < d.Keys && sum > 0; j++)
                p[j] /= sum;
            return p;
        }

        static void Rounded(double[] sums, Span<float> to)
        {
            for (int i = 0; i < sums.Length; i++)
                to[i] = (float)sums[i];
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    // V1: one thread a row (b, head, i). The output row is its own accumulator, rescaled whenever a larger score comes by.
    static float Score(ArrayView<float> q, ArrayView<float> k, ArrayView<float> bias, long qi, long kj, int b, int head, int i, int j, Dims d)
    {
        float dot = 0;
        for (int e = 0; e < d.D; e++)
            dot += q[qi + e] * k[kj + e];
        dot *= d.Scale;
        return d.Biased != 0 ? dot + bias[d.BiasStart(b, head) + ((long)i * d.Keys) + j] : dot;
    }

    static void ForwardKernel(
        Index1D row, ArrayView<float> q, ArrayView<float> k, ArrayView<float> v, ArrayView<float> bias, ArrayView<float> o, ArrayView<float> stats, Dims d)
    {
        int i = row % d.Queries, head = row / d.Queries % d.Heads, b = row / d.Queries / d.Heads;
        long qi = d.Start(b, head, d.Queries) + ((long)i * d.Stride), kj = d.Start(b, head, d.Keys);
        float max = float.NegativeInfinity, sum = 0;
        for (int e = 0; e < d.D; e++)
            o[qi + e] = 0;
        for (int j = 0; j < d.Visible(i); j++, kj += d.Stride)
        {
            float s = Score(q, k, bias, qi, kj, b, head, i, j, d);
            if (s == float.NegativeInfinity)
                continue;
            if (s > max)
            {
                float shrink = sum > 0 ? MathF.Exp(max - s) : 0;
                for (int e = 0; e < d.D; e++)
                    o[qi + e] *= shrink;
                sum *= shrink;
                max = s;
            }

            float p = MathF.Exp(s - max);
            sum += p;
            for (int e = 0; e < d.D; e++)
                o[qi + e] += p * v[kj + e];
        }

        float reciprocal = sum > 0 ? 1 / sum : 0;
        for (int e = 0; e < d.D; e++)
            o[qi + e] *= reciprocal;
        stats[Stats * row] = sum > 0 ? max : 0;
        stats[(Stats * row) + 1] = reciprocal;
    }

    // One thread a row: δ.
    static void DeltaKernel(Index1D row, ArrayView<float> o, ArrayView<float> dOut, ArrayView<float> delta, Dims d)
    {
        int i = row % d.Queries, head = row / d.Queries % d.Heads, b = row / d.Queries / d.Heads;
        long qi = d.Start(b, head, d.Queries) + ((long)i * d.Stride);
        float sum = 0;
        for (int e = 0; e < d.D; e++)
            sum += o[qi + e] * dOut[qi + e];
        delta[row] = sum;
    }

    static float Dot(ArrayView<float> a, ArrayView<float> b, long ai, long bi, int d)
    {
        float dot = 0;
        for (int e = 0; e < d; e++)
            dot += a[ai + e] * b[bi + e];
        return dot;
    }

    // One thread a query row.
    static void QueryGradientKernel(
        Index1D row,
        ArrayView<float> q,
        ArrayView<float> k,
        ArrayView<float> v,
        ArrayView<float> bias,
        ArrayView<float> stats,
        ArrayView<float> delta,
        ArrayView<float> dOut,
        ArrayView<float> dq,
        Dims d)
    {
        int i = row % d.Queries, head = row / d.Queries % d.Heads, b = row / d.Queries / d.Heads;
        long qi = d.Start(b, head, d.Queries) + ((long)i * d.Stride), kj = d.Start(b, head, d.Keys);
        for (int e = 0; e < d.D; e++)
            dq[qi + e] = 0;
        for (int j = 0; j < d.Visible(i); j++, kj += d.Stride)
        {
            float p = MathF.Exp(Score(q, k, bias, qi, kj, b, head, i, j, d) - stats[Stats * row]) * stats[(Stats * row) + 1];
            float ds = p * (Dot(dOut, v, qi, kj, d.D) - delta[row]) * d.Scale;
            for (int e = 0; e < d.D; e++)
                dq[qi + e] += ds * k[kj + e];
        }
    }

    // One thread a key row: nobody else writes to it, so no atomics, and queries come in order.
    static void KeyGradientKernel(
        Index1D row,
        ArrayView<float> q,
        ArrayView<float> k,
        ArrayView<float> v,
        ArrayView<float> bias,
        ArrayView<float> stats,
        ArrayView<float> delta,
        ArrayView<float> dOut,
        ArrayView<float> dk,
        ArrayView<float> dv,
        Dims d)
    {
        int j = row % d.Keys, head = row / d.Keys % d.Heads, b = row / d.Keys / d.Heads;
        long kj = d.Start(b, head, d.Keys) + ((long)j * d.Stride), qi = d.Start(b, head, d.Queries);
        for (int e = 0; e < d.D; e++)
        {
            dk[kj + e] = 0;
            dv[kj + e] = 0;
        }

        for (int i = 0; i < d.Queries; i++, qi += d.Stride)
        {
            if (j >= d.Visible(i))
                continue;
            long r = ((((long)b * d.Heads) + head) * d.Queries) + i;
            float p = MathF.Exp(Score(q, k, bias, qi, kj, b, head, i, j, d) - stats[Stats * r]) * stats[(Stats * r) + 1];
            float ds = p * (Dot(dOut, v, qi, kj, d.D) - delta[r]) * d.Scale;
            for (int e = 0; e < d.D; e++)
            {
                dv[kj + e] += p * dOut[qi + e];
                dk[kj + e] += ds * q[qi + e];
            }
        }
    }

    // ---- work --------------------------------------------------------------------------------------
    /// `products` of (pairs of a query and a key it sees) × D; `tensors` as long as the queries and as many as the keys; `element`: bytes of a number.
    static Work WorkOf(Dims d, int products, int tensors, int element)
    {
        // Causal: a triangle, and whole rows below it.
        long side = Math.Min(d.Queries, d.Keys), pairs = d.Causal != 0 ? (side * (side + 1) / 2) + ((d.Queries - side) * d.Keys) : (long)d.Queries * d.Keys;
        return new Work(d.B * d.Heads * pairs * ((2L * products * d.D) + 3), (long)element * tensors * d.B * ((long)d.Queries + d.Keys) * d.Stride);
    }

    // ---- launchers ---------------------------------------------------------------------------------
    public static void Forward(
        KernelContext k,
        ArrayView<float> q,       // (B, Tq, heads·D)
        ArrayView<float> key,     // (B, Tk, heads·D)
        ArrayView<float> v,       // (B, Tk, heads·D)
        ArrayView<float> bias,    // (B | 1, heads | 1, Tq, Tk), or anything where d.Biased is 0
        ArrayView<float> o,       // (B, Tq, heads·D)
        ArrayView<float> stats,   // (B, heads, Tq, 2), written
        Dims d)
    {
        using LaunchScope launch = k.Scope("Attention.Forward", (d.B, d.Queries, d.Keys, d.Heads, d.D), WorkOf(d, 2, 2, sizeof(float)));
        if (k.Cpu is { } cpu)
            CpuForward(cpu, q, key, v, bias, o, stats, d, CpuIsas.Best);
        else
            k.Launch(ForwardKernel, (long)d.B * d.Heads * d.Queries, q, key, v, bias, o, stats, d);
    }

    /// dq may be empty, and dk and dv together, where nobody wants them.
    public static void Backward(
        KernelContext k,
        ArrayView<float> q,
        ArrayView<float> key,
        ArrayView<float> v,
        ArrayView<float> bias,
        ArrayView<float> o,
        ArrayView<float> stats,
        ArrayView<float> dOut,
        ArrayView<float> delta,   // (B, heads, Tq), scratch
        ArrayView<float> dq,
        ArrayView<float> dk,
        ArrayView<float> dv,
        Dims d)
    {
        using LaunchScope launch = k.Scope("Attention.Backward", (d.B, d.Queries, d.Keys, d.Heads, d.D), WorkOf(d, 5, 4, sizeof(float)));
        if (k.Cpu is { } cpu)
        {
            CpuBackward(cpu, q, key, v, bias, o, stats, dOut, delta, dq, dk, dv, d, CpuIsas.Best);
            return;
        }

        long rows = (long)d.B * d.Heads * d.Queries;
        k.Launch(DeltaKernel, rows, o, dOut, delta, d);
        if (dq.Length > 0)
            k.Launch(QueryGradientKernel, rows, q, key, v, bias, stats, delta, dOut, dq, d);
        if (dk.Length > 0)
            k.Launch(KeyGradientKernel, (long)d.B * d.Heads * d.Keys, q, key, v, bias, stats, delta, dOut, dk, dv, d);
    }

    // ---- trials ------------------------------------------------------------------------------------
    [Trial("B=1 queries=20 keys=24 heads=2 D=16 causal=0")]
    internal static void ForwardTrial(Trial t)
    {
        Dims d = new(t["B"], t["queries"], t["keys"], t["heads"], t["D"], 1 / MathF.Sqrt(t["D"]), t["causal"] != 0);
        long rows = (long)d.B * d.Queries * d.Stride, others = (long)d.B * d.Keys * d.Stride, statistics = (long)d.B * d.Heads * d.Queries;
        Floats q = t.Normal(rows), key = t.Normal(others), v = t.Normal(others), o = t.Result(rows, TrialBound(d)), stats = t.Scratch(Stats * statistics);
        t.Run(() => Forward(t.Kernels, q, key, v, default, o, stats, d), () => Reference.Forward(q, key, v, default, o, d));
    }

    [Trial("B=1 queries=20 keys=24 heads=2 D=16 causal=0", "Attention.Delta", "Attention.QueryGradient", "Attention.KeyGradient")]
    internal static void BackwardTrial(Trial t)
    {
        Dims d = new(t["B"], t["queries"], t["keys"], t["heads"], t["D"], 1 / MathF.Sqrt(t["D"]), t["causal"] != 0);
        long rows = (long)d.B * d.Queries * d.Stride, others = (long)d.B * d.Keys * d.Stride, statistics = (long)d.B * d.Heads * d.Queries;
        Floats q = t.Normal(rows), key = t.Normal(others), v = t.Normal(others), dOut = t.Normal(rows);
        Floats o = t.Scratch(rows), stats = t.Scratch(Stats * statistics), delta = t.Scratch(statistics);
        Floats dq = t.Result(rows, TrialBound(d)), dk = t.Result(others, TrialBound(d)), dv = t.Result(others, TrialBound(d));
        Forward(t.Kernels, q, key, v, default, o, stats, d);
        t.Run(() => Backward(t.Kernels, q, key, v, default, o, stats, dOut, delta, dq, dk, dv, d), () => Reference.Backward(q, key, v, default, dOut, dq, dk, dv, d));
    }

    // A sum over D in the exponent, then one over positions.
    static double TrialBound(Dims d) => Trial.Function + Trial.SumOf(d.D) + Trial.SumOf(Math.Max(d.Queries, d.Keys));
}
