using System.Numerics;

namespace IlgpuDiffusion.Data.World;

/// Colours are Vector3 (r, g, b) of sRGB values in 0..1, mixed as they are (the world has no physical light).
static class Colour
{
    public static Vector3 Clamp(Vector3 c) => Vector3.Clamp(c, Vector3.Zero, Vector3.One);

    /// Rec. 601 luma.
    public static float Luma(float r, float g, float b) => .299f * r + .587f * g + .114f * b;

    public static float Luma(Vector3 c) => Luma(c.X, c.Y, c.Z);

    /// hue, saturation, value in 0..1.
    public static Vector3 Hsv(float h, float s, float v)
    {
        float Channel(float n)
        {
            float k = (n + h * 6) % 6;
            return v - v * s * Math.Clamp(Math.Min(k, 4 - k), 0, 1);
        }
        return new Vector3(Channel(5), Channel(3), Channel(1));
    }

    /// 0 below a, 1 above b, 3t²-2t³ between.
    public static float Smoothstep(float a, float b, float x)
    {
        float t = Math.Clamp((x - a) / (b - a), 0, 1);
        return t * t * (3 - 2 * t);
    }
}
