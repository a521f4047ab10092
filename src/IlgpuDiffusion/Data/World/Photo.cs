using System.Numerics;

namespace IlgpuDiffusion.Data.World;

/// A photograph with the eyes at (±0.25, -0.05), PhotoSet.MasterSize pixels square, HWC, 0..1.
/// Subject: "data set/person". Man and Expression are null where the data set does not tell. Matte: null where the
/// background is not a plain one.
public sealed record Photo(string Path, string Subject, bool? Man, Expression? Expression, float[] Rgb, Matte? Matte);

/// Geometry of photographs.
public static class PhotoAlignment
{
    const float EyeX = .25f, EyeY = -.05f;

    /// Maps picture coordinates ([-1,1], eyes at (±0.25, -0.05)) to pixels of a photograph with these eye centres; turns,
    /// scales and moves, never shears.
    public static Matrix3x2 FromEyes(Vector2 left, Vector2 right)
    {
        Vector2 across = (right - left) / (2 * EyeX), down = new(-across.Y, across.X), middle = (left + right) / 2 - EyeY * down;
        return new Matrix3x2(across.X, across.Y, down.X, down.Y, middle.X, middle.Y);
    }

    /// Maps picture coordinates to the largest centred square.
    public static Matrix3x2 Centred(int width, int height)
    {
        float half = Math.Min(width, height) / 2f;
        return new Matrix3x2(half, 0, 0, half, width / 2f, height / 2f);
    }

    /// size x size picture of the given channels; toSource maps [-1,1] to source pixels (pixel i covers i .. i+1). Each pixel is
    /// the mean of k x k bilinear samples, k about the source pixels per target pixel: an area resize. Edges repeat.
    public static float[] Resample(float[] source, int width, int height, int channels, Matrix3x2 toSource, int size)
    {
        float step = 2f / size;
        int k = Math.Clamp((int)MathF.Ceiling(step * new Vector2(toSource.M11, toSource.M12).Length() - .01f), 1, 16);
        float[] result = new float[size * size * channels];
        for (int row = 0; row < size; row++)
            for (int column = 0; column < size; column++)
            {
                Span<float> pixel = result.AsSpan((row * size + column) * channels, channels);
                for (int sub = 0; sub < k * k; sub++)
                {
                    Vector2 local = new((column + (sub % k + .5f) / k) * step - 1, (row + (sub / k + .5f) / k) * step - 1);
                    Vector2 at = Vector2.Transform(local, toSource) - new Vector2(.5f);
                    AddBilinear(source, width, height, channels, at, 1f / (k * k), pixel);
                }
            }
        return result;
    }

    static void AddBilinear(float[] source, int width, int height, int channels, Vector2 at, float weight, Span<float> sum)
    {
        float x = Math.Clamp(at.X, 0, width - 1), y = Math.Clamp(at.Y, 0, height - 1);
        int x0 = (int)x, y0 = (int)y, x1 = Math.Min(x0 + 1, width - 1), y1 = Math.Min(y0 + 1, height - 1);
        float fx = x - x0, fy = y - y0;
        for (int c = 0; c < channels; c++)
        {
            float top = source[(y0 * width + x0) * channels + c] * (1 - fx) + source[(y0 * width + x1) * channels + c] * fx;
            float low = source[(y1 * width + x0) * channels + c] * (1 - fx) + source[(y1 * width + x1) * channels + c] * fx;
            sum[c] += weight * (top * (1 - fy) + low * fy);
        }
    }
}
