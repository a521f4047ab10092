namespace IlgpuDiffusion.Data;

/// Modes of <see cref="Interpolate"/>, by torch's names.
public enum InterpolateMode
{
    Nearest,
    NearestExact,
    Area,
    Bilinear,
    Bicubic,
}

/// torch.nn.functional.interpolate without antialias: an output pixel looks at the few input pixels around its place however much the image shrinks; borders are repeated.
/// Pixel i lies at (i + 1/2) · in/out − 1/2, or with `alignCorners` at i (in − 1)/(out − 1). Bicubic is Keys' with a = −3/4 (that of <see cref="Resample"/> has −1/2). What vision
/// transformers resize their positions with. Separable; sums in double.
public static class Interpolate
{
    const double A = -0.75;

    /// source: (height, width, channels)   returns (newHeight, newWidth, channels)
    public static float[] Resize(ReadOnlySpan<float> source, int height, int width, int channels, int newHeight, int newWidth, InterpolateMode mode, bool alignCorners = false)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(newHeight);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(newWidth);
        if (source.Length != (long)height * width * channels || source.Length == 0)
            throw new ArgumentException($"{source.Length} numbers are no image of {height} x {width} x {channels}", nameof(source));
        (int At, double Weight)[][] rows = Taps(height, newHeight, mode, alignCorners), columns = Taps(width, newWidth, mode, alignCorners);
        float[] result = new float[newHeight * newWidth * channels];
        for (int i = 0; i < result.Length; i++)
        {
            int c = i % channels, x = i / channels % newWidth, y = i / channels / newWidth;
            double sum = 0;
            foreach ((int row, double weight) in rows[y])
            {
                double line = 0;
                foreach ((int column, double share) in columns[x])
                    line += share * source[(((row * width) + column) * channels) + c];
                sum += weight * line;
            }

            result[i] = (float)sum;
        }

        return result;
    }

    // Of each output position along an axis, the inputs it is made of.
    static (int At, double Weight)[][] Taps(int length, int newLength, InterpolateMode mode, bool alignCorners)
    {
        double scale = (double)length / newLength;
        return [.. Enumerable.Range(0, newLength).Select(i =>
        {
            double place = !alignCorners ? ((i + 0.5) * scale) - 0.5 : newLength == 1 ? 0 : i * (length - 1.0) / (newLength - 1);
            switch (mode)
            {
                case InterpolateMode.Nearest:
                    return [(Math.Min((int)(i * scale), length - 1), 1.0)];
                case InterpolateMode.NearestExact:
                    return [(Math.Min((int)((i + 0.5) * scale), length - 1), 1.0)];
                case InterpolateMode.Area:
                    int start = (int)((long)i * length / newLength), end = (int)((((i + 1L) * length) + newLength - 1) / newLength);
                    return [.. Enumerable.Range(start, end - start).Select(at => (at, 1.0 / (end - start)))];
                case InterpolateMode.Bilinear:
                    place = Math.Max(0, place);
                    int left = Math.Min((int)place, length - 1);
                    return [(left, 1 - (place - left)), (Math.Min(left + 1, length - 1), place - left)];
                default:
                    int first = (int)Math.Floor(place);
                    double t = place - first;
                    return ((int At, double Weight)[])[.. Enumerable.Range(-1, 4).Select(k => (Math.Clamp(first + k, 0, length - 1), Cubic(Math.Abs(t - k))))];
            }
        })];
    }

    static double Cubic(double d) => d <= 1
        ? ((((A + 2) * d) - (A + 3)) * d * d) + 1
        : ((((A * d) - (5 * A)) * d) + (8 * A)) * d - (4 * A);
}
