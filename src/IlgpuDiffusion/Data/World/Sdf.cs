namespace IlgpuDiffusion.Data.World;

/// Signed distances (negative inside) in the plane. Union is Min, intersection is Max, a rim of half-thickness t is |d| - t.
static class Sdf
{
    public static float Circle(float x, float y, float r) => MathF.Sqrt(x * x + y * y) - r;

    /// First-order distance to the ellipse with half-axes a, b: k(k-1)/k2 with k = |(x/a, y/b)|, k2 = |(x/a², y/b²)|.
    public static float Ellipse(float x, float y, float a, float b)
    {
        float px = x / a, py = y / b;
        float k = MathF.Sqrt(px * px + py * py);
        if (k < 1e-6f) return -MathF.Min(a, b);
        float qx = px / a, qy = py / b;
        return k * (k - 1) / MathF.Sqrt(qx * qx + qy * qy);
    }

    /// Axis-aligned box with half-sizes a, b and corner radius r.
    public static float Box(float x, float y, float a, float b, float r = 0)
    {
        float dx = MathF.Abs(x) - a + r, dy = MathF.Abs(y) - b + r;
        float ox = MathF.Max(dx, 0), oy = MathF.Max(dy, 0);
        return MathF.Sqrt(ox * ox + oy * oy) + MathF.Min(MathF.Max(dx, dy), 0) - r;
    }

    /// Segment from (ax, ay) to (bx, by) with radius r at both ends.
    public static float Capsule(float x, float y, float ax, float ay, float bx, float by, float r)
    {
        float px = x - ax, py = y - ay, ux = bx - ax, uy = by - ay;
        float t = Math.Clamp((px * ux + py * uy) / (ux * ux + uy * uy), 0, 1);
        return Circle(px - t * ux, py - t * uy, r);
    }

    /// Triangle with the tip at (0, 0) and the base 2a wide at y = h (upright, for trees and roofs).
    public static float Triangle(float x, float y, float a, float h)
    {
        float side = (MathF.Abs(x) * h - y * a) / MathF.Sqrt(h * h + a * a);
        return MathF.Max(side, y - h);
    }
}
