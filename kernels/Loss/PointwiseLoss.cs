using System.Numerics;
using ILGPU;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Trials;

namespace IlgpuDiffusion.Kernels.Loss;

/// A loss of one difference: what the file of a regression loss holds. Everything else about such losses is in <see cref="PointwiseLoss"/>.
public interface IPointwiseLoss
{
    /// f(d) and f′(d) in double, d = x − target; `beta` is the loss's own constant, if it has one.
    static abstract double Define(double d, double beta);

    static abstract double DefineSlope(double d, double beta);

    /// For any ILGPU backend.
    static abstract float Value(float d, float beta);

    static abstract float Slope(float d, float beta);

    /// On the lanes of a processor's vector.
    static abstract Vector<float> Value(Vector<float> d, float beta);

    static abstract Vector<float> Slope(Vector<float> d, float beta);
}

/// What an element counts for: sample s holds `PerSample` elements and counts coefficient[s]; with a mask, each of whose values covers
/// `MaskRun` elements in a row, an element counts its mask value times that. MaskRun 0 says that there is no mask.
public readonly record struct LossWeights(int Samples, int PerSample, int MaskRun)
{
    public int Tiles => (int)OrderedSum.Tiles(PerSample);
}

/// L = Σ_s k[s]·Σ_{i in s} m[i]·f(x[i] − t[i]).   Backward:  dx[i] = dL·k[s]·m[i]·f′(x[i] − t[i]),  dt = −dx.
/// A sum is cut into tiles by the shape alone, and the tiles' sums are added in a fixed order: the same bits on any number of threads.
/// dL is one element on the device, so a backward pass never waits for the host.
public static class PointwiseLoss
{
    const int Tile = OrderedSum.Tile;

    // ---- reference ---------------------------------------------------------------------------------
    public static class Reference
    {
        /// mask: (Samples·PerSample / MaskRun), or empty   coefficient: (Samples)
        public static double Forward<T>(
            ReadOnlySpan<float> x, ReadOnlySpan<float> target, ReadOnlySpan<float> mask, ReadOnlySpan<float> coefficient, LossWeights w, double beta)
            where T : struct, IPointwiseLoss
        {
            double sum = 0;
            for (int i = 0; i < x.Length; i++)
                sum += coefficient[i / w.PerSample] * (w.MaskRun > 0 ? mask[i / w.MaskRun] : 1.0) * T.Define((double)x[i] - target[i], beta);
            return sum;
        }

        public static void Backward<T>(
            ReadOnlySpan<float> x,
            ReadOnlySpan<float> target,
            ReadOnlySpan<float> mask,
            ReadOnlySpan<float> coefficient,
            float dLoss,
            Span<float> dx,
            LossWeights w,
            double beta)
            where T : struct, IPointwiseLoss
        {
            for (int i = 0; i < x.Length; i++)
            {
                double count = coefficient[i / w.PerSample] * (w.MaskRun > 0 ? mask[i / w.MaskRun] : 1.0);
                dx[i] = (float)(dLoss * count * T.DefineSlope((double)x[i] - target[i], beta));
            }
        }

        public static void MaskMean(ReadOnlySpan<float> mask, Span<float> coefficient, LossWeights w)
        {
            int perSample = w.PerSample / w.MaskRun;
            for (int s = 0; s < w.Samples; s++)
            {
                double sum = 0;
                foreach (float m in mask.Slice(s * perSample, perSample))
                    sum += (double)m * w.MaskRun;
                coefficient[s] = sum > 0 ? (float)(coefficient[s] / sum) : 0;
            }
        }
    }

    // ---- kernels -----------------------------------------------------------------------------------
    // One thread a tile. Its elements lie `tiles` apart, so that neighbouring threads read neighbouring elements.
    static void PartialKernel<T>(
        Index1D i,
        ArrayView<float> x,
        ArrayView<float> target,
        ArrayView<float> mask,
        ArrayView<float> coefficient,
        ArrayView<float> partial,
        LossWeights w,
        int tiles,
        float beta)
        where T : struct, IPointwiseLoss
    {
        int sample = i / tiles;
        long begin = (long)sample * w.PerSample;
        float sum = 0;
        for (int at = i - (sample * tiles); at < w.PerSample; at += tiles)
        {
            long n = begin + at;
            float value = T.Value(x[n] - target[n], beta);
            sum += w.MaskRun > 0 ? value * mask[n / w.MaskRun] : value;
        }

        partial[i] = coefficient[sample] * sum;
    }

    static void BackwardKernel<T>(
        Index1D i,
        ArrayView<float> x,
        ArrayView<float> target,
        ArrayView<float> mask,
        ArrayView<float> coefficient,
        ArrayView<float> dLoss,
        ArrayView<float> dx,
        LossWeights w,
        float beta)
        where T : struct, IPointwiseLoss
    {
        float count = dLoss[0] * coefficient[i / w.PerSample];
        if (w.MaskRun > 0)
            count *= mask[i / w.MaskRun];
        dx[i] = count * T.Slope(x[i] - target[i], beta);
    }

    // coefficient[s] /= Σ mask over sample s: turns weights into a mean over what the mask selects. An empty mask counts nothing.
    static void MaskMeanKernel(Index1D s, ArrayView<float> mask, ArrayView<float> coefficient, int perSample, int run)
    {
        long begin = (long)(int)s * perSample;
        float sum = 0;
        for (int i = 0; i < perSample; i++)
            sum += mask[begin + i];
        sum *= run;
        coefficient[s] = sum > 0 ? coefficient[s] / sum : 0;
    }

    // ---- launchers ---------------------------------------------------------------------------------
    /// partial: scratch of (Samples·Tiles)   loss: (1). Without a mask, any view can stand for it: it is not read.
    public static unsafe void Forward<T>(
        KernelContext k,
        ArrayView<float> x,
        ArrayView<float> target,
        ArrayView<float> mask,
        ArrayView<float> coefficient,
        ArrayView<float> partial,
        ArrayView<float> loss,
        LossWeights w,
        float beta)
        where T : struct, IPointwiseLoss
    {
        using LaunchScope launch = k.Scope("PointwiseLoss.Forward", w, Work.Of(4 * x.Length, (2 * x.Length) + mask.Length), typeof(T));
        int tiles = w.Tiles;
        if (k.Cpu is not { } cpu)
        {
            k.Launch(PartialKernel<T>, (long)w.Samples * tiles, x, target, mask, coefficient, partial, w, tiles, beta);
            OrderedSum.Gather(k, partial, loss);
            return;
        }

        float* px = x.Pointer(), pt = target.Pointer(), pm = mask.Pointer(), pk = coefficient.Pointer(), pp = partial.Pointer();
        cpu.Range((long)w.Samples * tiles, Grain.Rows(Tile), (begin, end) =>
        {
            for (long i = begin; i < end; i++)
            {
                long sample = i / tiles, first = (i - (sample * tiles)) * Tile, at = (sample * w.PerSample) + first;
                int n = (int)Math.Min(Tile, w.PerSample - first);
                Vector<float> sum = default;
                // Past the end x, target and so their difference are zero, and f(0) = 0.
                for (int j = 0; j < n; j += Lanes.Width)
                {
                    Vector<float> value = T.Value(Lanes.Load(px + at + j, n - j) - Lanes.Load(pt + at + j, n - j), beta);
                    sum += w.MaskRun > 0 ? value * Mask(pm, at + j, n - j, w.MaskRun) : value;
                }

                pp[i] = pk[sample] * Vector.Sum(sum);
            }
        });
        OrderedSum.Gather(k, partial, loss);
    }

    public static unsafe void Backward<T>(
        KernelContext k,
        ArrayView<float> x,
        ArrayView<float> target,
        ArrayView<float> mask,
        ArrayView<float> coefficient,
        ArrayView<float> dLoss,
        ArrayView<float> dx,
        LossWeights w,
        float beta)
        where T : struct, IPointwiseLoss
    {
        using LaunchScope launch = k.Scope("PointwiseLoss.Backward", w, Work.Of(4 * x.Length, (3 * x.Length) + mask.Length), typeof(T));
        if (k.Cpu is not { } cpu)
        {
            k.Launch(BackwardKernel<T>, dx.Length, x, target, mask, coefficient, dLoss, dx, w, beta);
            return;
        }

        float* px = x.Pointer(), pt = target.Pointer(), pm = mask.Pointer(), pk = coefficient.Pointer(), pdx = dx.Pointer();
        float upstream = dLoss.Pointer()[0];
        int tiles = w.Tiles;
        cpu.Range((long)w.Samples * tiles, Grain.Rows(Tile), (begin, end) =>
        {
            for (long i = begin; i < end; i++)
            {
                long sample = i / tiles, first = (i - (sample * tiles)) * Tile, at = (sample * w.PerSample) + first;
                int n = (int)Math.Min(Tile, w.PerSample - first);
                float count = upstream * pk[sample];
                for (int j = 0; j < n; j += Lanes.Width)
                {
                    Vector<float> slope = T.Slope(Lanes.Load(px + at + j, n - j) - Lanes.Load(pt + at + j, n - j), beta) * count;
                    Lanes.Store(w.MaskRun > 0 ? slope * Mask(pm, at + j, n - j, w.MaskRun) : slope, pdx + at + j, n - j);
                }
            }
        });
    }

    /// Divides coefficient[s] by the sum of the mask over the elements of sample s.
    public static unsafe void MaskMean(KernelContext k, ArrayView<float> mask, ArrayView<float> coefficient, LossWeights w)
    {
        using LaunchScope launch = k.Scope("PointwiseLoss.MaskMean", w, Work.Of(mask.Length, mask.Length + (2L * w.Samples)));
        int perSample = w.PerSample / w.MaskRun;
        if (k.Cpu is not { } cpu)
        {
            k.Launch(MaskMeanKernel, w.Samples, mask, coefficient, perSample, w.MaskRun);
            return;
        }

        float* pm = mask.Pointer(), pk = coefficient.Pointer();
        cpu.For(w.Samples, s =>
        {
            double sum = 0;
            for (int i = 0; i < perSample; i++)
                sum += pm[((long)s * perSample) + i];
            sum *= w.MaskRun;
            pk[s] = sum > 0 ? (float)(pk[s] / sum) : 0;
        });
    }

    static unsafe Vector<float> Mask(float* mask, long at, int left, int run)
    {
        if (run == 1)
            return Lanes.Load(mask + at, left);
        Vector<float> v = default;
        for (int i = 0; i < Math.Min(left, Vector<float>.Count); i++)
            ((float*)&v)[i] = mask[(at + i) / run];
        return v;
    }

    // ---- trials ------------------------------------------------------------------------------------
    const float TrialBeta = 0.3f;

    [Trial("S=2 N=600 run=4", "PointwiseLoss.Partial<>")]
    internal static void ForwardTrial<T>(Trial t)
        where T : struct, IPointwiseLoss
    {
        LossWeights w = new(t["S"], t["N"], t["run"]);
        long count = (long)w.Samples * w.PerSample;
        Floats x = t.Normal(count), target = t.Normal(count), mask = t.Positive(count / w.MaskRun), coefficient = t.Positive(w.Samples);
        Floats partial = t.Scratch((long)w.Samples * w.Tiles), loss = t.Result(1, Trial.SumOf(count));
        t.Run(
            () => Forward<T>(t.Kernels, x, target, mask, coefficient, partial, loss, w, TrialBeta),
            () => loss.Host[0] = (float)Reference.Forward<T>(x, target, mask, coefficient, w, TrialBeta));
    }

    [Trial("S=2 N=600 run=4")]
    internal static void BackwardTrial<T>(Trial t)
        where T : struct, IPointwiseLoss
    {
        LossWeights w = new(t["S"], t["N"], t["run"]);
        long count = (long)w.Samples * w.PerSample;
        Floats x = t.Normal(count), target = t.Normal(count), mask = t.Positive(count / w.MaskRun), coefficient = t.Positive(w.Samples);
        Floats dLoss = t.Normal(1), dx = t.Result(count, Trial.Function);
        t.Run(
            () => Backward<T>(t.Kernels, x, target, mask, coefficient, dLoss, dx, w, TrialBeta),
            () => Reference.Backward<T>(x, target, mask, coefficient, dLoss.Host[0], dx, w, TrialBeta));
    }

    [Trial("S=3 N=600 run=4")]
    internal static void MaskMeanTrial(Trial t)
    {
        LossWeights w = new(t["S"], t["N"], t["run"]);
        Floats mask = t.Positive((long)w.Samples * w.PerSample / w.MaskRun), coefficient = t.Changed(w.Samples, Trial.SumOf(w.PerSample / w.MaskRun));
        t.Run(() => MaskMean(t.Kernels, mask, coefficient, w), () => Reference.MaskMean(mask, coefficient, w));
    }
}
