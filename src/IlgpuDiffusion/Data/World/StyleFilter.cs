using System.Numerics;

namespace IlgpuDiffusion.Data.World;

/// Eight filters, each a fixed function of the picture: grain, hatching and hue fields depend on the position alone, never on
/// chance. So they also give the truth for a photograph: this person *as a pencil sketch*. Lengths are in 64ths of the width.
public static class StyleFilter
{
    const int Strokes = 30;     // impressionist: strokes along a side

    static readonly Vector3[] Pop = [new(.22f, .06f, .42f), new(.93f, .10f, .42f), new(1f, .55f, .20f), new(1f, .95f, .55f)];

    /// rgb: width x height, HWC, 0..1. Returns a new array; the argument is left as it is. Style.None returns a copy.
    public static float[] Apply(Style style, float[] rgb, int width, int height)
    {
        if (rgb.Length != 3 * width * height)
            throw new IlgdException($"StyleFilter: {rgb.Length} values given, a {width}x{height} RGB picture has {3 * width * height}");
        return style switch
        {
            Style.None => (float[])rgb.Clone(),
            Style.PencilSketch => PencilSketch(rgb, width, height),
            Style.PixelArt => PixelArt(rgb, width, height),
            Style.PopArt => PopArt(rgb, width, height),
            Style.Watercolor => Watercolor(rgb, width, height),
            Style.Neon => Neon(rgb, width, height),
            Style.BlackAndWhite => BlackAndWhite(rgb, width, height),
            Style.Stone => Stone(rgb, width, height),
            Style.Impressionist => Impressionist(rgb, width, height),
            _ => throw new IlgdException($"StyleFilter: style {(int)style} is not one of the {Enum.GetValues<Style>().Length} known"),
        };
    }

    /// L / blur(L) leaves the edges; cubed they turn into lines; dark parts are hatched.
    static float[] PencilSketch(float[] rgb, int w, int h)
    {
        float unit = w / 64f;
        float[] luma = Plane.Luma(rgb), around = Plane.Blur(luma, w, h, 2.2f * unit);
        return Plane.Map(w, h, (x, y, i) =>
        {
            float line = MathF.Pow(MathF.Min(luma[i] / (around[i] + .02f), 1), 3);
            float hatch = .5f + .5f * MathF.Sin((x + y) / unit * 2.1f);
            float tone = .80f + .20f * MathF.Min(luma[i] * 1.6f, 1) - .38f * hatch * Colour.Smoothstep(.45f, .15f, luma[i]);
            return new Vector3(.98f, .97f, .94f) * (.10f + .90f * line * tone);
        });
    }

    /// Means over a 16 x 16 grid, six levels of brightness.
    static float[] PixelArt(float[] rgb, int w, int h)
    {
        int block = Math.Max(w / 16, 1);
        float[] result = new float[rgb.Length];
        for (int y0 = 0; y0 < h; y0 += block)
            for (int x0 = 0; x0 < w; x0 += block)
            {
                int x1 = Math.Min(x0 + block, w), y1 = Math.Min(y0 + block, h);
                Vector3 sum = Vector3.Zero;
                for (int y = y0; y < y1; y++)
                    for (int x = x0; x < x1; x++) sum += Plane.At(rgb, y * w + x);
                sum /= (x1 - x0) * (y1 - y0);
                // six levels of brightness; the colour keeps its hue, which six levels a channel would bend to green and red
                float luma = Colour.Luma(sum);
                Vector3 level = Colour.Clamp(new Vector3(MathF.Round(luma * 5.5f) / 5.5f) + 1.25f * (sum - new Vector3(luma)));
                for (int y = y0; y < y1; y++)
                    for (int x = x0; x < x1; x++) level.CopyTo(result, 3 * (y * w + x));
            }
        return result;
    }

    /// Luminance in four flat colours; what is much darker than around it becomes a line of the darkest.
    static float[] PopArt(float[] rgb, int w, int h)
    {
        float unit = w / 64f;
        float[] luma = Plane.Blur(Plane.Luma(rgb), w, h, .5f * unit), around = Plane.Blur(luma, w, h, 2f * unit);
        return Plane.Map(w, h, (_, _, i) =>
        {
            Vector3 c = Pop[0];
            for (int k = 1; k < 4; k++) c = Vector3.Lerp(c, Pop[k], Colour.Smoothstep(-.02f, .02f, luma[i] - (.03f + .225f * k)));
            return Vector3.Lerp(c, Pop[0], Colour.Smoothstep(.84f, .76f, luma[i] / (around[i] + .02f)));
        });
    }

    /// Soft washes: blurred, gently posterised, lifted towards the paper, darker where washes meet, with paper grain.
    static float[] Watercolor(float[] rgb, int w, int h)
    {
        float unit = w / 64f;
        float[] wash = Plane.BlurRgb(rgb, w, h, 1.0f * unit), wide = Plane.Blur(Plane.Luma(rgb), w, h, 2.5f * unit), luma = Plane.Luma(wash);
        return Plane.Map(w, h, (x, y, i) =>
        {
            Vector3 c = Plane.At(wash, i), steps = new Vector3(MathF.Floor(c.X * 5 + .5f), MathF.Floor(c.Y * 5 + .5f), MathF.Floor(c.Z * 5 + .5f)) / 5;
            c = Vector3.Lerp(c, steps, .5f);
            c += .90f * (c - new Vector3(Colour.Luma(c)));
            c += .30f * (c - new Vector3(.55f));
            float rim = MathF.Abs(luma[i] - wide[i]), grain = Plane.Noise(x, y, unit, 1);
            return Vector3.Lerp(c, new Vector3(1, .99f, .95f), .24f) * (1.06f - 1.1f * rim) + new Vector3(.06f * (grain - .5f));
        });
    }

    /// Edges glow on the dark; their hue depends on the place.
    static float[] Neon(float[] rgb, int w, int h)
    {
        float unit = w / 64f;
        float[] luma = Plane.Blur(Plane.Luma(rgb), w, h, .6f * unit);
        float[] edge = new float[luma.Length];
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++)
            {
                float L(int dx, int dy) => luma[Math.Clamp(y + dy, 0, h - 1) * w + Math.Clamp(x + dx, 0, w - 1)];
                float gx = L(1, -1) + 2 * L(1, 0) + L(1, 1) - L(-1, -1) - 2 * L(-1, 0) - L(-1, 1);
                float gy = L(-1, 1) + 2 * L(0, 1) + L(1, 1) - L(-1, -1) - 2 * L(0, -1) - L(1, -1);
                edge[y * w + x] = Math.Clamp(1.5f * unit * MathF.Sqrt(gx * gx + gy * gy) - .10f, 0, 1);
            }
        float[] glow = Plane.Blur(edge, w, h, 1.8f * unit);
        return Plane.Map(w, h, (x, y, i) =>
        {
            float hue = (.55f + .45f * x / w + .40f * y / h) % 1;
            return new Vector3(.03f, .02f, .07f) + Colour.Hsv(hue, .85f, 1) * (edge[i] + .45f * glow[i]) + new Vector3(.35f * MathF.Max(0, edge[i] - .6f));
        });
    }

    static float[] BlackAndWhite(float[] rgb, int w, int h)
    {
        float[] luma = Plane.Luma(rgb);
        return Plane.Map(w, h, (_, _, i) => new Vector3(.5f + 1.12f * (luma[i] - .5f)));
    }

    /// Relief lit from the upper left, in brown-grey stone with fixed grain.
    static float[] Stone(float[] rgb, int w, int h)
    {
        float unit = w / 64f;
        int d = Math.Max(1, (int)MathF.Round(unit));
        float[] luma = Plane.Blur(Plane.Luma(rgb), w, h, .5f * unit);
        return Plane.Map(w, h, (x, y, i) =>
        {
            int up = Math.Max(y - d, 0) * w + Math.Max(x - d, 0), down = Math.Min(y + d, h - 1) * w + Math.Min(x + d, w - 1);
            float grain = .6f * Plane.Noise(x, y, unit, 2) + .4f * Plane.Noise(x, y, 3 * unit, 3) - .5f;
            float relief = .36f + .26f * luma[i] + 1.15f * (luma[down] - luma[up]) + .20f * grain;
            return new Vector3(1.04f, .98f, .88f) * relief;
        });
    }

    /// Strokes: every pixel takes the colour at its nearest seed of a jittered grid, distances measured along a slanted
    /// direction that turns slowly over the picture; colours are more saturated, each stroke a little lighter or darker.
    static float[] Impressionist(float[] rgb, int w, int h)
    {
        float[] soft = Plane.BlurRgb(rgb, w, h, .5f * w / 64f);
        float cell = (float)w / Strokes;
        return Plane.Map(w, h, (x, y, _) =>
        {
            int ci = (int)(x / cell), cj = (int)(y / cell);
            float best = float.MaxValue;
            int seed = 0, from = 0;
            (float sin, float cos) = MathF.SinCos(.7f + .9f * MathF.Sin(3f * x / w + 1) + .6f * MathF.Cos(4f * y / h));
            for (int j = cj - 2; j <= cj + 2; j++)
                for (int i = ci - 2; i <= ci + 2; i++)
                {
                    float sx = (i + .15f + .7f * Plane.Hash(i, j, 4)) * cell, sy = (j + .15f + .7f * Plane.Hash(i, j, 5)) * cell;
                    float dx = x + .5f - sx, dy = y + .5f - sy;
                    float along = (cos * dx + sin * dy) * .50f, across = cos * dy - sin * dx;
                    float distance = along * along + across * across;
                    if (distance >= best) continue;
                    best = distance;
                    seed = i * 131 + j;
                    from = Math.Clamp((int)sy, 0, h - 1) * w + Math.Clamp((int)sx, 0, w - 1);
                }
            Vector3 c = Plane.At(soft, from);
            c = new Vector3(Colour.Luma(c)) + 1.55f * (c - new Vector3(Colour.Luma(c)));
            return c * (.93f + .12f * Plane.Hash(seed, 7, 6)) + new Vector3(.02f);
        });
    }
}
