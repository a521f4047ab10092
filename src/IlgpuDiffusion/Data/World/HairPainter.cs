using System.Numerics;

namespace IlgpuDiffusion.Data.World;

/// Ten hair styles, each a mass behind the head and a cap in front of it. A cap is the skull grown by the volume, above a
/// hairline y = Line(x) that every style bends its own way.
static class HairPainter
{
    public static void Back(Canvas canvas, Head head, bool underHat)
    {
        FaceIdentity id = head.Identity;
        canvas.Pose = head.BackHair;
        float w = id.HalfWidth + .05f + id.HairVolume * .55f, top = head.Top - id.HairVolume;
        float end = id.HairLength;
        Vector3 Dark(float x, float y) => Tone(head, x, y) * .72f;

        switch (id.HairStyle)
        {
            case HairStyle.Long:
                canvas.Fill(new(-1, -1.1f, 1, 1.1f), (x, y) => Fall(x, y, w, top, end, 0), Dark);
                break;
            case HairStyle.Wavy:
                canvas.Fill(new(-1, -1.1f, 1, 1.1f), (x, y) => Fall(x, y, w + .05f, top, end, .035f), Dark);
                break;
            case HairStyle.Bob:
                float bob = .30f + .22f * id.HairLength;
                canvas.Fill(new(-1, -1.1f, 1, .8f), (x, y) => Fall(x, y, w + .03f + .10f * MathF.Max(0, y), top, bob, 0), Dark);
                break;
            case HairStyle.Curly:
                float low = -.25f + (id.Man ? .35f : .85f) * id.HairLength;
                canvas.Fill(new(-1.1f, -1.2f, 1.1f, 1.1f), (x, y) => Curls(head, x, y, low), Dark);
                break;
            case HairStyle.Bun when !underHat:
                float cy = top - .02f, r = .15f + .45f * id.HairVolume;
                canvas.Fill(Bounds.Around(0, cy, r, r), (x, y) => Sdf.Ellipse(x, y - cy, r * 1.1f, r),
                    (x, y) => id.Hair * (.80f + .16f * MathF.Sin(34 * (x + .6f * y)) - .35f * (y - cy)));
                break;
        }
    }

    public static void Front(Canvas canvas, Head head, bool underHat)
    {
        FaceIdentity id = head.Identity;
        if (id.HairStyle == HairStyle.Bald)
        {
            Shine(canvas, head);
            return;
        }
        canvas.Pose = head.Skull;
        float volume = id.HairStyle switch
        {
            HairStyle.Buzz => .012f,
            HairStyle.Bun => .030f,
            HairStyle.Short => .6f * id.HairVolume + .03f,
            _ => id.HairVolume,
        };
        if (underHat) volume = MathF.Min(volume, .05f);
        bool curly = id.HairStyle == HairStyle.Curly;

        float Cap(float x, float y)
        {
            float side = MathF.Min(MathF.Abs(x) / id.HalfWidth, 1);
            float grown = volume * (1 - .45f * side);
            if (curly) grown += .022f * MathF.Sin(26 * x) * MathF.Sin(24 * y + 1);
            return MathF.Max(head.Outline(x, y) - grown, .8f * (y - Line(id, x, MathF.Abs(x) / head.HalfWidthAt(y))));
        }
        Bounds upper = new(-.9f, -1.1f, .9f, .75f);
        if (id.HairStyle == HairStyle.Buzz)
            canvas.Fill(upper, Cap, (x, y) => Vector3.Lerp(id.Skin * .8f, id.Hair, .78f) * head.Shade(x, y));
        else
        {
            // a thin shadow under the fringe lifts it from the forehead
            canvas.Fill(upper, (x, y) => MathF.Max(Cap(x, y - .022f), head.Outline(x, y)), id.Skin * .5f, .5f);
            canvas.Fill(upper, Cap, (x, y) => Tone(head, x, y));
        }

        if (id.HairStyle is HairStyle.Long or HairStyle.Wavy or HairStyle.Bob)
            foreach (float side in (ReadOnlySpan<float>)[-1, 1])
                Lock(canvas, head, side);
    }

    /// y where the forehead ends and hair begins; u is |x| as a part of the half-width of the skull at that height.
    /// No fringe hangs lower than the brows, so both eyes of everybody can be seen.
    static float Line(FaceIdentity id, float x, float u)
    {
        float part = x - id.Parting, h = id.Hairline, brows = id.EyeY - id.BrowHeight + .01f;
        float Sides(float inner, float y0, float y1)
        {
            y0 = MathF.Min(y0, brows);
            return y0 + (y1 - y0) * Colour.Smoothstep(inner, inner + .22f, u);
        }
        return id.HairStyle switch
        {
            HairStyle.Buzz => Sides(.74f, h + .10f * u * u, -.04f),
            HairStyle.Short => Sides(.76f, h + .015f * MathF.Sin(40 * x), .02f),
            // one sweep from the parting across the forehead, a short one to the other side
            HairStyle.Parted => Sides(.80f, h - .05f + .34f * MathF.Abs(part) * (part * id.Parting < 0 ? 1.3f : .9f), .06f),
            HairStyle.Bangs => Sides(.78f, brows - .02f + .012f * MathF.Sin(34 * x), .22f),
            HairStyle.Curly => Sides(.74f, h + .03f * MathF.Sin(24 * x + 1), .10f),
            HairStyle.Long => Sides(.66f, h - .08f + 1.5f * part * part, .30f),
            HairStyle.Wavy => Sides(.66f, h - .06f + .62f * MathF.Abs(part) + .02f * MathF.Sin(20 * x), .30f),
            HairStyle.Bob => Sides(.68f, h + .12f + .25f * x * MathF.Sign(id.Parting), .30f),
            _ => Sides(.80f, h - .06f + .55f * x * x, -.02f),
        };
    }

    /// Hair falling behind the head: half-width w from the crown down to end, lower corners rounded, edges in waves.
    static float Fall(float x, float y, float w, float top, float end, float wave)
    {
        float edge = w + wave * MathF.Sin(19 * y);
        if (y < 0) return Sdf.Ellipse(x, y, edge, -top);
        return Sdf.Box(x, y - end / 2, edge, end / 2 + .02f, .12f);
    }

    /// A lumpy cloud around the head, down to y = low.
    static float Curls(Head head, float x, float y, float low)
    {
        float angle = MathF.Atan2(y + .15f, x);
        float lumps = .075f * MathF.Abs(MathF.Sin(8 * angle)) - .03f;
        float cloud = head.Outline(x, MathF.Min(y, 0)) - head.Identity.HairVolume * 1.4f - .07f - lumps;
        return MathF.Max(cloud, .9f * (y - low - .07f * MathF.Abs(MathF.Sin(11 * x))));
    }

    /// The part of long hair that hangs in front of the cheeks.
    static void Lock(Canvas canvas, Head head, float side)
    {
        FaceIdentity id = head.Identity;
        bool wavy = id.HairStyle == HairStyle.Wavy;
        float end = id.HairStyle == HairStyle.Bob ? .30f + .22f * id.HairLength : id.HairLength;
        float centre = id.HalfWidth * .98f + .02f, half = .055f + id.HairVolume * .38f;
        canvas.Fill(new(-1, -.5f, 1, 1.1f), (x, y) =>
        {
            float sway = wavy ? .030f * MathF.Sin(19 * y + side) : 0;
            float taper = half * (1 - .25f * Colour.Smoothstep(end - .3f, end, y));
            return Sdf.Box(x - side * (centre + .03f * y) - sway, y - (end - .25f) / 2, taper, (end + .25f) / 2, .05f);
        }, (x, y) => Tone(head, x, y) * .97f);
    }

    /// Colour with strands that run away from the parting, and a band of shine where the light falls.
    static Vector3 Tone(Head head, float x, float y)
    {
        FaceIdentity id = head.Identity;
        float strands = id.HairStyle switch
        {
            HairStyle.Curly => MathF.Sin(30 * x + 4 * MathF.Sin(14 * y)) * MathF.Sin(28 * y),
            HairStyle.Wavy => MathF.Sin(30 * x + 2.5f * MathF.Sin(16 * y)),
            _ => MathF.Sin(24 * (x - id.Parting) / (.55f + .45f * MathF.Max(y + .8f, 0))),
        };
        float band = MathF.Exp(-MathF.Pow((y + .58f) / .10f, 2)) * MathF.Exp(-MathF.Pow((x - .25f * head.Nuisance.Light.X) / .30f, 2));
        Vector3 tone = id.Hair * (head.Shade(x, y) + (id.HairStyle is HairStyle.Curly or HairStyle.Wavy ? .12f : .075f) * strands) + new Vector3(.13f * band) * (.4f + Colour.Luma(id.Hair));
        return Colour.Clamp(tone);
    }

    static void Shine(Canvas canvas, Head head)
    {
        canvas.Pose = head.Skull;
        HeadPainter.Glow(canvas, .18f * head.Nuisance.Light.X, head.Top + .17f, .15f, Vector3.One, .40f);
    }
}
