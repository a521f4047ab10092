using System.Numerics;
using IlgpuDiffusion.Data.World;

namespace IlgpuDiffusion.Training.People;

/// Changes a picture as cameras and croppers do: mirrored, turned, scaled and moved, another exposure, now and then grey. The person stays.
public static class Augmentation
{
    /// rgb: size × size bytes; destination: the same many values in [−1, 1], channels-last
    public static void Apply(byte[] rgb, int size, WorldRandom rng, Span<float> destination)
    {
        Matrix3x2 toSource = Matrix3x2.CreateRotation(rng.Uniform(-.10f, .10f)) * Matrix3x2.CreateScale(rng.Uniform(.90f, 1.10f))
            * Matrix3x2.CreateTranslation(rng.Uniform(-.07f, .07f), rng.Uniform(-.07f, .07f));
        if (rng.Chance(.5f))
            toSource *= Matrix3x2.CreateScale(-1, 1);
        bool grey = rng.Chance(.10f);
        float contrast = rng.Uniform(.80f, 1.20f);
        Vector3 gain = rng.Uniform(.85f, 1.15f) * new Vector3(rng.Uniform(.93f, 1.07f), rng.Uniform(.93f, 1.07f), rng.Uniform(.93f, 1.07f));
        for (int y = 0; y < size; y++)
        {
            for (int x = 0; x < size; x++)
            {
                Vector2 at = Vector2.Transform(new Vector2(((2 * x) + 1f) / size - 1, ((2 * y) + 1f) / size - 1), toSource);
                Vector3 colour = Sample(rgb, size, ((at.X + 1) * size / 2) - .5f, ((at.Y + 1) * size / 2) - .5f) * gain;
                if (grey)
                    colour = new Vector3((.299f * colour.X) + (.587f * colour.Y) + (.114f * colour.Z));
                colour = Vector3.Clamp((colour - new Vector3(.5f)) * contrast * 2, -Vector3.One, Vector3.One);
                colour.CopyTo(destination.Slice(3 * ((y * size) + x), 3));
            }
        }
    }

    // Bilinear, edges repeated.
    static Vector3 Sample(byte[] rgb, int size, float x, float y)
    {
        x = Math.Clamp(x, 0, size - 1);
        y = Math.Clamp(y, 0, size - 1);
        int x0 = (int)x, y0 = (int)y, x1 = Math.Min(x0 + 1, size - 1), y1 = Math.Min(y0 + 1, size - 1);
        Vector3 top = Vector3.Lerp(At(x0, y0), At(x1, y0), x - x0), low = Vector3.Lerp(At(x0, y1), At(x1, y1), x - x0);
        return Vector3.Lerp(top, low, y - y0);

        Vector3 At(int px, int py)
        {
            int i = 3 * ((py * size) + px);
            return new Vector3(rgb[i], rgb[i + 1], rgb[i + 2]) / 255;
        }
    }
}
