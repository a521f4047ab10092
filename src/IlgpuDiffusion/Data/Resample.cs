using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.Data;

/// Kernels of Resample, with Pillow's definitions.
public enum ResampleFilter
{
    Nearest,
    Box,
    Bilinear,
    Hamming,
    Bicubic,
    Lanczos,
}

/// Resizing as Pillow 13 does it: separable, horizontal pass first unless only the height shrinks (python-pillow/Pillow#9549); when
/// shrinking, the kernel is stretched by the factor (antialiasing);
/// weights that fall outside the picture are dropped and the rest renormalised. Bicubic is a = -0.5, as torch's with antialias.
/// Pictures are (height, width, channels), row-major.
public static class Resample
{
    // Pillow's fixed point for bytes: 8 bits of value, 2 of headroom, the rest for the weight.
    const int FractionBits = 32 - 8 - 2;

    public static RgbImage Resize(RgbImage image, int width, int height, ResampleFilter filter) =>
        new(width, height, Resize(image.Pixels, image.Height, image.Width, 3, height, width, filter));

    /// The shorter side becomes `size`, the longer one keeps the proportion, rounded down (transformers' "shortest_edge").
    public static RgbImage ResizeShortestEdge(RgbImage image, int size, ResampleFilter filter) => image.Width <= image.Height
        ? Resize(image, size, (int)((long)size * image.Height / image.Width), filter)
        : Resize(image, (int)((long)size * image.Width / image.Height), size, filter);

    /// Bytes: rounded to 8 bits after each of the two passes. box: the part of the source (left, top, right, bottom; fractions are
    /// allowed), by default all of it.
    public static byte[] Resize(
        ReadOnlySpan<byte> source, int height, int width, int channels, int newHeight, int newWidth, ResampleFilter filter,
        (double Left, double Top, double Right, double Bottom)? box = null) =>
        Resize(source, height, width, channels, newHeight, newWidth, filter, box, Pass);

    /// Floats: no rounding, no clamping.
    public static float[] Resize(
        ReadOnlySpan<float> source, int height, int width, int channels, int newHeight, int newWidth, ResampleFilter filter,
        (double Left, double Top, double Right, double Bottom)? box = null) =>
        Resize(source, height, width, channels, newHeight, newWidth, filter, box, Pass);

    static T[] Resize<T>(
        ReadOnlySpan<T> source, int height, int width, int channels, int newHeight, int newWidth, ResampleFilter filter,
        (double Left, double Top, double Right, double Bottom)? box, Func<T[], int, int, int, Taps[]?, T[]> pass)
    {
        Check(source.Length, height, width, channels, newHeight, newWidth, box);
        (double left, double top, double right, double bottom) = box ?? (0, 0, width, height);
        if (filter == ResampleFilter.Nearest)
            return Nearest(source, width, channels, NearestIndices(top, bottom, newHeight, height), NearestIndices(left, right, newWidth, width));

        // A pass that would change nothing is left out; its taps are null.
        Taps[]? columns = newWidth != width || left != 0 || right != width ? Taps.Make(filter, width, left, right, newWidth) : null;
        Taps[]? rows = newHeight != height || top != 0 || bottom != height ? Taps.Make(filter, height, top, bottom, newHeight) : null;
        T[] result = source.ToArray();
        if (RowsFirst(newHeight, bottom - top, newWidth, right - left))
            return pass(pass(result, 1, height, width * channels, rows), newHeight, width, channels, columns);
        return pass(pass(result, height, width, channels, columns), 1, height, newWidth * channels, rows);
    }

    static bool RowsFirst(int newHeight, double height, int newWidth, double width) => newHeight < height && newWidth >= width;

    /// source (outer, length, inner) -> (outer, taps.Length, inner): a row pass has inner = channels, a column pass inner = a whole row.
    static byte[] Pass(byte[] source, int outer, int length, int inner, Taps[]? taps)
    {
        if (taps is null)
            return source;
        byte[] result = new byte[outer * taps.Length * inner];
        int[] sums = new int[inner];
        int[][] weights = Array.ConvertAll(taps, t => Array.ConvertAll(t.Weights, ToFixedPoint));
        for (int o = 0; o < outer; o++)
        {
            for (int i = 0; i < taps.Length; i++)
            {
                Array.Fill(sums, 1 << (FractionBits - 1));
                for (int k = 0; k < weights[i].Length; k++)
                {
                    int weight = weights[i][k];
                    ReadOnlySpan<byte> row = source.AsSpan((o * length + taps[i].First + k) * inner, inner);
                    for (int c = 0; c < row.Length; c++)
                        sums[c] += weight * row[c];
                }

                Span<byte> destination = result.AsSpan((o * taps.Length + i) * inner, inner);
                for (int c = 0; c < destination.Length; c++)
                    destination[c] = (byte)Math.Clamp(sums[c] >> FractionBits, 0, 255);
            }
        }

        return result;
    }

    static int ToFixedPoint(double weight) => (int)Math.Round(weight * (1 << FractionBits), MidpointRounding.AwayFromZero);

    static float[] Pass(float[] source, int outer, int length, int inner, Taps[]? taps)
    {
        if (taps is null)
            return source;
        float[] result = new float[outer * taps.Length * inner];
        double[] sums = new double[inner];
        for (int o = 0; o < outer; o++)
        {
            for (int i = 0; i < taps.Length; i++)
            {
                Array.Clear(sums);
                for (int k = 0; k < taps[i].Weights.Length; k++)
                {
                    double weight = taps[i].Weights[k];
                    ReadOnlySpan<float> row = source.AsSpan((o * length + taps[i].First + k) * inner, inner);
                    for (int c = 0; c < row.Length; c++)
                        sums[c] += weight * row[c];
                }

                Span<float> destination = result.AsSpan((o * taps.Length + i) * inner, inner);
                for (int c = 0; c < destination.Length; c++)
                    destination[c] = (float)sums[c];
            }
        }

        return result;
    }

    static int[] NearestIndices(double low, double high, int count, int length)
    {
        double scale = (high - low) / count;
        return [.. Enumerable.Range(0, count).Select(i => Math.Min((int)(low + (i + 0.5) * scale), length - 1))];
    }

    static T[] Nearest<T>(ReadOnlySpan<T> source, int width, int channels, int[] rows, int[] columns)
    {
        T[] result = new T[rows.Length * columns.Length * channels];
        for (int y = 0; y < rows.Length; y++)
        {
            for (int x = 0; x < columns.Length; x++)
                source.Slice((rows[y] * width + columns[x]) * channels, channels).CopyTo(result.AsSpan((y * columns.Length + x) * channels));
        }

        return result;
    }

    static void Check(
        int given, int height, int width, int channels, int newHeight, int newWidth,
        (double Left, double Top, double Right, double Bottom)? box)
    {
        if (height <= 0 || width <= 0 || channels <= 0 || given != (long)height * width * channels)
            throw new ArgumentException($"resize: {given} values are no ({height}, {width}, {channels}) picture");
        if (newHeight <= 0 || newWidth <= 0 || (long)Math.Max(height, newHeight) * Math.Max(width, newWidth) * channels > Array.MaxLength)
            throw new ArgumentException($"resize: cannot make {newWidth} x {newHeight} pixels of {width} x {height}");
        if (box is (double left, double top, double right, double bottom)
            && !(left >= 0 && top >= 0 && right <= width && bottom <= height && left < right && top < bottom))
            throw new ArgumentException($"resize: the box ({left}, {top}, {right}, {bottom}) is not inside {width} x {height}");
    }

    /// The source elements First, First + 1, ... that make one output element, and their weights (sum 1).
    readonly record struct Taps(int First, double[] Weights)
    {
        public static Taps[] Make(ResampleFilter filter, int length, double low, double high, int count)
        {
            double scale = (high - low) / count;
            double stretch = Math.Max(scale, 1);
            double support = Support(filter) * stretch;
            Taps[] taps = new Taps[count];
            for (int i = 0; i < count; i++)
            {
                double center = low + (i + 0.5) * scale;
                int first = Math.Max((int)(center - support + 0.5), 0);
                int end = Math.Min((int)(center + support + 0.5), length);
                double[] weights = new double[end - first];
                double sum = 0;
                for (int k = 0; k < weights.Length; k++)
                    sum += weights[k] = Kernel(filter, (first + k - center + 0.5) / stretch);
                for (int k = 0; k < weights.Length; k++)
                    weights[k] /= sum;
                taps[i] = new(first, weights);
            }

            return taps;
        }

        static double Support(ResampleFilter filter) => filter switch
        {
            ResampleFilter.Box => 0.5,
            ResampleFilter.Bilinear or ResampleFilter.Hamming => 1,
            ResampleFilter.Bicubic => 2,
            ResampleFilter.Lanczos => 3,
            _ => throw new ArgumentOutOfRangeException(nameof(filter), filter, null),
        };

        static double Kernel(ResampleFilter filter, double x) => filter switch
        {
            ResampleFilter.Box => x is > -0.5 and <= 0.5 ? 1 : 0,
            ResampleFilter.Bilinear => Math.Max(0, 1 - Math.Abs(x)),
            ResampleFilter.Hamming => Math.Abs(x) < 1 ? Sinc(x) * (0.54 + 0.46 * Math.Cos(Math.PI * x)) : 0,
            ResampleFilter.Bicubic => Cubic(Math.Abs(x)),
            ResampleFilter.Lanczos => x is >= -3 and < 3 ? Sinc(x) * Sinc(x / 3) : 0,
            _ => throw new ArgumentOutOfRangeException(nameof(filter), filter, null),
        };

        /// Keys' cubic with a = -1/2.
        static double Cubic(double x) => x switch
        {
            < 1 => (1.5 * x - 2.5) * x * x + 1,
            < 2 => ((-0.5 * x + 2.5) * x - 4) * x + 2,
            _ => 0,
        };

        static double Sinc(double x) => x == 0 ? 1 : Math.Sin(Math.PI * x) / (Math.PI * x);
    }
}
