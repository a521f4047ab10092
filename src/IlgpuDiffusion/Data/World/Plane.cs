using System.Numerics;

namespace IlgpuDiffusion.Data.World;

/// Whole-picture steps that the filters share: luminance, blur, per-pixel maps, fixed noise.
static class Plane
{
    public static Vector3 At(float[] rgb, int pixel) => new(rgb[3 * pixel], rgb[3 * pixel + 1], rgb[3 * pixel + 2]);

    public static float[] Luma(float[] rgb)
    {
        float[] luma = new float[rgb.Length / 3];
        for (int i = 0; i < luma.Length; i++) luma[i] = Colour.Luma(rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]);
        return luma;
    }

    /// A new RGB picture of f(x, y, pixel index), clamped to 0..1.
    public static float[] Map(int w, int h, Func<int, int, int, Vector3> f)
    {
        float[] rgb = new float[3 * w * h];
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++)
                Colour.Clamp(f(x, y, y * w + x)).CopyTo(rgb, 3 * (y * w + x));
        return rgb;
    }

    /// Gaussian blur, edges repeated. channels interleaved.
    public static float[] Blur(float[] image, int w, int h, float sigma, int channels = 1)
    {
        int r = Math.Max(1, (int)MathF.Ceiling(2.5f * sigma));
        float[] kernel = new float[2 * r + 1];
        for (int k = -r; k <= r; k++) kernel[k + r] = MathF.Exp(-.5f * k * k / (sigma * sigma));
        float sum = kernel.Sum();
        for (int k = 0; k < kernel.Length; k++) kernel[k] /= sum;

        float[] across = new float[image.Length], result = new float[image.Length];
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++)
                for (int k = -r; k <= r; k++)
                {
                    int from = channels * (y * w + Math.Clamp(x + k, 0, w - 1)), to = channels * (y * w + x);
                    for (int c = 0; c < channels; c++) across[to + c] += kernel[k + r] * image[from + c];
                }
        for (int y = 0; y < h; y++)
            for (int k = -r; k <= r; k++)
            {
                int from = channels * w * Math.Clamp(y + k, 0, h - 1), to = channels * w * y;
                for (int i = 0; i < channels * w; i++) result[to + i] += kernel[k + r] * across[from + i];
            }
        return result;
    }

    public static float[] BlurRgb(float[] rgb, int w, int h, float sigma) => Blur(rgb, w, h, sigma, 3);

    /// Fixed noise in 0..1 that is constant over cells of the given size in pixels.
    public static float Noise(int x, int y, float cell, int field) => Hash((int)(x / cell), (int)(y / cell), field);

    /// A fixed number in [0, 1) for a grid point.
    public static float Hash(int x, int y, int field)
    {
        uint n = (uint)x * 0x9E3779B1u ^ (uint)y * 0x85EBCA77u ^ (uint)field * 0xC2B2AE3Du;
        n = (n ^ (n >> 15)) * 0x2C1B3C6Du;
        n = (n ^ (n >> 12)) * 0x297A2D39u;
        return (n ^ (n >> 15)) / 4294967296f;
    }
}
