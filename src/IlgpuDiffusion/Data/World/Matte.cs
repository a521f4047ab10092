using System.Numerics;

namespace IlgpuDiffusion.Data.World;

/// A person cut out of a plain background: picture = Foreground + (1 - Alpha) · background.
/// Foreground: RGB (HWC) already multiplied by Alpha, so that no rim of the old background stays. Alpha: one value a pixel.
/// Backdrop: mean colour of the background.
public sealed record Matte(float[] Foreground, float[] Alpha, Vector3 Backdrop)
{
    /// Colour distances where a pixel stops being background, and where it is wholly foreground.
    const float Same = .045f, Other = .17f;

    /// Keys out a plain background: the colour of the upper border, spread over the picture as a linear gradient, flooded
    /// inwards from the border; within a few pixels of the flood the distance from that colour becomes the soft edge.
    public static Matte Key(float[] rgb, int width, int height)
    {
        Vector3 border = BorderColour(rgb, width, height);
        bool[] flood = Flood(rgb, width, height, _ => border, Other);
        Func<int, Vector3> plate = FitGradient(rgb, width, height, flood, border);
        flood = Flood(rgb, width, height, plate, .6f * Other);
        bool[] zone = Dilate(flood, width, height, Math.Max(1, width / 50));

        float[] alpha = new float[width * height], foreground = new float[rgb.Length];
        Vector3 sum = Vector3.Zero;
        int count = 0;
        for (int i = 0; i < alpha.Length; i++)
        {
            Vector3 c = Plane.At(rgb, i), b = plate(i);
            alpha[i] = zone[i] ? Colour.Smoothstep(Same, Other, Distance(c, b)) : 1;
            Colour.Clamp(c - (1 - alpha[i]) * b).CopyTo(foreground, 3 * i);
            if (!flood[i]) continue;
            sum += c;
            count++;
        }
        return new Matte(foreground, alpha, count > 0 ? sum / count : border);
    }

    /// Shadows on a plain wall change its brightness more than its colour, so colour counts three times as much.
    static float Distance(Vector3 c, Vector3 b)
    {
        Vector3 d = c - b;
        float luma = Colour.Luma(d);
        Vector3 chroma = Vector3.Abs(d - new Vector3(luma));
        return .7f * MathF.Abs(luma) + 2 * MathF.Max(chroma.X, MathF.Max(chroma.Y, chroma.Z));
    }

    static Vector3 BorderColour(float[] rgb, int width, int height)
    {
        int margin = Math.Max(1, width / 32);
        List<float>[] seen = [[], [], []];
        for (int y = 0; y < height / 2; y++)
            for (int x = 0; x < width; x++)
                if (y < margin || x < margin || x >= width - margin)
                    for (int c = 0; c < 3; c++) seen[c].Add(rgb[3 * (y * width + x) + c]);
        foreach (List<float> channel in seen) channel.Sort();
        return new Vector3(seen[0][seen[0].Count / 2], seen[1][seen[1].Count / 2], seen[2][seen[2].Count / 2]);
    }

    static bool[] Flood(float[] rgb, int width, int height, Func<int, Vector3> plate, float limit)
    {
        bool[] filled = new bool[width * height];
        Stack<int> open = new();
        void Visit(int x, int y)
        {
            int i = y * width + x;
            if (x < 0 || y < 0 || x >= width || y >= height || filled[i] || Distance(Plane.At(rgb, i), plate(i)) > limit) return;
            filled[i] = true;
            open.Push(i);
        }
        for (int x = 0; x < width; x++) Visit(x, 0);
        for (int y = 0; y < height; y++)
        {
            Visit(0, y);
            Visit(width - 1, y);
        }
        while (open.TryPop(out int i))
        {
            (int y, int x) = Math.DivRem(i, width);
            Visit(x - 1, y);
            Visit(x + 1, y);
            Visit(x, y - 1);
            Visit(x, y + 1);
        }
        return filled;
    }

    /// Least squares of c0 + c1 x + c2 y for each channel over the flooded pixels (normal equations, 3 x 3, symmetric).
    static Func<int, Vector3> FitGradient(float[] rgb, int width, int height, bool[] flood, Vector3 fallback)
    {
        double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0, syy = 0;
        Vector3 s = Vector3.Zero, tx = Vector3.Zero, ty = Vector3.Zero;
        (float X, float Y) Centred(int i) => ((float)(i % width) / width - .5f, (float)(i / width) / height - .5f);
        for (int i = 0; i < flood.Length; i++)
        {
            if (!flood[i]) continue;
            (float x, float y) = Centred(i);
            Vector3 c = Plane.At(rgb, i) - fallback;
            n++;
            sx += x;
            sy += y;
            sxx += x * x;
            sxy += x * y;
            syy += y * y;
            s += c;
            tx += x * c;
            ty += y * c;
        }
        double det = n * (sxx * syy - sxy * sxy) - sx * (sx * syy - sxy * sy) + sy * (sx * sxy - sxx * sy);
        if (n < .02 * flood.Length || Math.Abs(det) < 1e-6) return _ => fallback;
        Vector3 Solve(double a, double b, double c) => ((float)(a / det) * s) + ((float)(b / det) * tx) + ((float)(c / det) * ty);
        Vector3 c0 = Solve(sxx * syy - sxy * sxy, sxy * sy - sx * syy, sx * sxy - sxx * sy);
        Vector3 c1 = Solve(sxy * sy - sx * syy, n * syy - sy * sy, sx * sy - n * sxy);
        Vector3 c2 = Solve(sx * sxy - sxx * sy, sx * sy - n * sxy, n * sxx - sx * sx);
        return i =>
        {
            (float x, float y) = Centred(i);
            return Colour.Clamp(fallback + c0 + c1 * x + c2 * y);
        };
    }

    static bool[] Dilate(bool[] mask, int width, int height, int radius)
    {
        bool[] grown = new bool[mask.Length];
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                for (int k = -radius; k <= radius && !grown[y * width + x]; k++)
                    grown[y * width + x] = mask[y * width + Math.Clamp(x + k, 0, width - 1)];
        bool[] result = new bool[mask.Length];
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                for (int k = -radius; k <= radius && !result[y * width + x]; k++)
                    result[y * width + x] = grown[Math.Clamp(y + k, 0, height - 1) * width + x];
        return result;
    }

    /// The same cut-out seen through another mapping (see PhotoAlignment.Resample).
    public Matte Resample(int width, int height, Matrix3x2 toSource, int size) => this with
    {
        Foreground = PhotoAlignment.Resample(Foreground, width, height, 3, toSource, size),
        Alpha = PhotoAlignment.Resample(Alpha, width, height, 1, toSource, size),
    };
}
