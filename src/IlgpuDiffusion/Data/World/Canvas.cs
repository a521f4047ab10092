using System.Numerics;

namespace IlgpuDiffusion.Data.World;

/// Where a drawing stands in the picture: picture = shift + scale · R(roll) · local.
public readonly record struct Pose(Vector2 Shift, float Scale, float Roll)
{
    public static Pose Identity { get; } = new(Vector2.Zero, 1, 0);

    /// The same pose, moved by (dx, dy) in its own coordinates: the parallax of a turned head.
    public Pose Moved(float dx, float dy) => this with { Shift = ToPicture(dx, dy) };

    public Vector2 ToLocal(float x, float y)
    {
        (float s, float c) = MathF.SinCos(Roll);
        Vector2 d = (new Vector2(x, y) - Shift) / Scale;
        return new Vector2(c * d.X + s * d.Y, c * d.Y - s * d.X);
    }

    public Vector2 ToPicture(float x, float y)
    {
        (float s, float c) = MathF.SinCos(Roll);
        return Shift + Scale * new Vector2(c * x - s * y, s * x + c * y);
    }
}

/// A rectangle in local coordinates that holds a shape; pixels outside are not visited.
readonly record struct Bounds(float X0, float Y0, float X1, float Y1)
{
    public static Bounds Everywhere { get; } = new(-9, -9, 9, 9);

    public static Bounds Around(float x, float y, float rx, float ry) => new(x - rx, y - ry, x + rx, y + ry);
}

/// A square RGB picture (HWC, 0..1) on which shapes are blended "over", back to front. Coordinates are [-1,1], y down, and
/// are taken at pixel centres; a signed distance d covers clamp(0.5 - d/w, 0, 1) of a pixel, w = 1.2 pixels, which is
/// smooth enough to need no supersampling and means the same drawing at every size.
sealed class Canvas(float[] rgb, int size)
{
    readonly float softness = 2.4f / size;

    public Canvas(int size) : this(new float[3 * size * size], size) { }

    public float[] Rgb => rgb;

    public Pose Pose { get; set; } = Pose.Identity;

    public void Fill(Bounds bounds, Func<float, float, float> distance, Vector3 colour, float opacity = 1) =>
        Fill(bounds, distance, (_, _) => colour, opacity);

    /// distance and colour are functions of local coordinates.
    public void Fill(Bounds bounds, Func<float, float, float> distance, Func<float, float, Vector3> colour, float opacity = 1) =>
        Blend(bounds, (x, y) => MathF.Min(.5f - distance(x, y) / softness, 1) * opacity, colour);

    /// cover: how much of the pixel takes the colour, 0..1; nothing is done where it is not positive.
    public void Blend(Bounds bounds, Func<float, float, float> cover, Func<float, float, Vector3> colour)
    {
        (float sin, float cos) = MathF.SinCos(Pose.Roll);
        (int x0, int y0, int x1, int y1) = PixelsOf(bounds);
        float c = cos / Pose.Scale, s = sin / Pose.Scale;
        for (int row = y0; row < y1; row++)
        {
            float py = (2 * row + 1f) / size - 1 - Pose.Shift.Y;
            for (int column = x0; column < x1; column++)
            {
                float px = (2 * column + 1f) / size - 1 - Pose.Shift.X;
                float x = c * px + s * py, y = c * py - s * px;
                float part = cover(x, y);
                if (part <= 0) continue;
                Vector3 over = colour(x, y);
                Span<float> pixel = rgb.AsSpan(3 * (row * size + column), 3);
                pixel[0] += part * (over.X - pixel[0]);
                pixel[1] += part * (over.Y - pixel[1]);
                pixel[2] += part * (over.Z - pixel[2]);
            }
        }
    }

    /// Every pixel, without a shape.
    public void Fill(Func<float, float, Vector3> colour) => Blend(Bounds.Everywhere, (_, _) => 1, colour);

    /// The colour at the pixel that holds a point given in local coordinates.
    public Vector3 Read(float x, float y)
    {
        Vector2 at = (Pose.ToPicture(x, y) + Vector2.One) * (.5f * size);
        int column = Math.Clamp((int)at.X, 0, size - 1), row = Math.Clamp((int)at.Y, 0, size - 1);
        return Plane.At(rgb, row * size + column);
    }

    (int X0, int Y0, int X1, int Y1) PixelsOf(Bounds b)
    {
        Vector2 p = Pose.ToPicture(b.X0, b.Y0), q = Pose.ToPicture(b.X1, b.Y0), r = Pose.ToPicture(b.X0, b.Y1), t = Pose.ToPicture(b.X1, b.Y1);
        Vector2 low = Vector2.Min(Vector2.Min(p, q), Vector2.Min(r, t)) - new Vector2(softness);
        Vector2 high = Vector2.Max(Vector2.Max(p, q), Vector2.Max(r, t)) + new Vector2(softness);
        int Pixel(float v) => Math.Clamp((int)MathF.Floor((v + 1) * .5f * size), 0, size);
        return (Pixel(low.X), Pixel(low.Y), Math.Min(Pixel(high.X) + 1, size), Math.Min(Pixel(high.Y) + 1, size));
    }
}
