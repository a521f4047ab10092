using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.Evaluation;

/// The window of <see cref="PictureQuality.Ssim"/>. Uniform over 7 × 7 with the sample's covariance is scikit-image's default; Gaussian with σ = 1.5 over 11 × 11 with the
/// population's is Wang et al.'s.
public readonly record struct SsimWindow(int Size, double Sigma, bool SampleCovariance)
{
    public static SsimWindow Uniform { get; } = new(7, 0, SampleCovariance: true);

    public static SsimWindow Gaussian { get; } = new(11, 1.5, SampleCovariance: false);
}

/// How much two pictures of the same size differ, pixel by pixel and neighbourhood by neighbourhood.
public static class PictureQuality
{
    // Constants of Wang et al. 2004 that keep the quotient finite where a window is flat, in units of the range.
    const double K1 = 0.01, K2 = 0.03;

    /// 10 log₁₀(255² / mse) in dB; infinite for equal pictures.
    public static double Psnr(RgbImage a, RgbImage b)
    {
        CheckSameSize(a, b);
        double sum = a.Pixels.Zip(b.Pixels).Sum(p => (double)(p.First - p.Second) * (p.First - p.Second));
        return 10 * Math.Log10(255.0 * 255.0 / (sum / a.Pixels.Length));
    }

    /// Structural similarity (Wang et al. 2004, eq. 13), the mean over colours and over all windows that lie inside the picture, −1 to 1:
    ///
    ///     (2 μ_a μ_b + c₁) (2 σ_ab + c₂) / ((μ_a² + μ_b² + c₁) (σ_a² + σ_b² + c₂))
    public static double Ssim(RgbImage a, RgbImage b, SsimWindow window)
    {
        CheckSameSize(a, b);
        return Enumerable.Range(0, 3).Average(c => Ssim(Plane(a, c), Plane(b, c), a.Width, window, 255));
    }

    /// The same of one plane each, rows of `width`, whose values span `range`.
    public static double Ssim(double[] a, double[] b, int width, SsimWindow window, double range)
    {
        int height = a.Length / width, size = window.Size;
        if (width < size || height < size)
            throw new ArgumentException($"a window of {size} x {size} does not fit into {width} x {height}");
        double[] weights = Weights(window);
        double n = size * size, unbiased = window.SampleCovariance ? n / (n - 1) : 1, c1 = K1 * range * K1 * range, c2 = K2 * range * K2 * range, total = 0;
        for (int y = 0; y <= height - size; y++)
        {
            for (int x = 0; x <= width - size; x++)
            {
                double ma = 0, mb = 0, aa = 0, bb = 0, ab = 0;
                for (int i = 0; i < size * size; i++)
                {
                    int at = ((y + (i / size)) * width) + x + (i % size);
                    double w = weights[i / size] * weights[i % size], va = a[at], vb = b[at];
                    ma += w * va;
                    mb += w * vb;
                    aa += w * va * va;
                    bb += w * vb * vb;
                    ab += w * va * vb;
                }

                double varianceA = unbiased * (aa - (ma * ma)), varianceB = unbiased * (bb - (mb * mb)), covariance = unbiased * (ab - (ma * mb));
                total += ((2 * ma * mb) + c1) * ((2 * covariance) + c2) / (((ma * ma) + (mb * mb) + c1) * (varianceA + varianceB + c2));
            }
        }

        return total / ((height - size + 1) * (width - size + 1));
    }

    // Along one axis, with sum 1.
    static double[] Weights(SsimWindow window)
    {
        double[] weights = [.. Enumerable.Range(0, window.Size).Select(i => i - (window.Size / 2)).Select(d => window.Sigma > 0 ? Math.Exp(-d * d / (2 * window.Sigma * window.Sigma)) : 1)];
        return Array.ConvertAll(weights, w => w / weights.Sum());
    }

    static double[] Plane(RgbImage image, int channel) => [.. Enumerable.Range(0, image.Width * image.Height).Select(i => (double)image.Pixels[(3 * i) + channel])];

    static void CheckSameSize(RgbImage a, RgbImage b)
    {
        if (a.Width != b.Width || a.Height != b.Height)
            throw new ArgumentException($"pictures of {a.Width} x {a.Height} and {b.Width} x {b.Height} cannot be compared");
    }
}
