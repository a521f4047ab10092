using System.Numerics;

namespace IlgpuDiffusion.Data.World;

/// Clothes, neck, ears, the skin of the face, and what lies on the skin: blush, freckles, age lines, beard.
static class HeadPainter
{
    const float ShouldersY = .80f;

    public static void Body(Canvas canvas, Head head)
    {
        FaceIdentity id = head.Identity;
        Vector3 clothes = head.Nuisance.Clothes;
        float neck = id.NeckHalfWidth, shoulders = id.Man ? 1.00f : .86f;
        canvas.Pose = head.Body;
        float Shoulders(float x, float y) => Sdf.Ellipse(x, y - ShouldersY - .42f, shoulders, .42f);

        canvas.Fill(new(-1.2f, ShouldersY - .1f, 1.2f, 1.3f), Shoulders,
            (x, y) => Colour.Clamp(clothes * (.78f + .22f * Colour.Smoothstep(1.1f, .8f, y) + .10f * x * head.Nuisance.Light.X)));

        float chin = head.ChinY;
        Vector3 SkinOfNeck(float x, float y) =>
            id.Skin * (.60f + .26f * Colour.Smoothstep(chin - .02f, chin + .16f, y) - .14f * MathF.Pow(x / neck, 2) + .06f * x / neck * head.Nuisance.Light.X);
        float Neck(float x, float y) => Sdf.Box(x, y - .62f, neck + .25f * MathF.Max(0, y - .74f), .27f, .05f);
        canvas.Fill(new(-.5f, .3f, .5f, .92f), Neck, SkinOfNeck);

        switch (head.Nuisance.Collar)
        {
            case 0:
                canvas.Fill(Bounds.Around(0, .84f, neck + .1f, .16f), (x, y) => Sdf.Ellipse(x, y - .82f, neck + .02f, .12f), SkinOfNeck);
                break;
            case 1:
                canvas.Fill(new(-.4f, .74f, .4f, 1.1f), (x, y) => Sdf.Triangle(x, 1.06f - y, neck * 1.05f, .30f), SkinOfNeck);
                break;
            default:
                canvas.Fill(new(-.4f, .74f, .4f, 1.1f), (x, y) => Sdf.Triangle(x, 1.00f - y, neck * 1.1f, .26f), SkinOfNeck);
                Vector3 collar = Vector3.Lerp(clothes, Vector3.One, .55f);
                foreach (float side in (ReadOnlySpan<float>)[-1, 1])
                    canvas.Fill(new(-.5f, .72f, .5f, 1.1f),
                        (x, y) => Sdf.Capsule(x, y, side * (neck + .03f), .80f, side * .03f, 1.02f, .045f), collar);
                break;
        }
    }

    public static void Face(Canvas canvas, Head head)
    {
        FaceIdentity id = head.Identity;
        canvas.Pose = head.Skull;
        Vector3 Skin(float x, float y) => Colour.Clamp(id.Skin * head.Shade(x, y));

        foreach (float side in (ReadOnlySpan<float>)[-1, 1])
        {
            float ex = side * id.HalfWidth * .97f, s = id.EarSize;
            canvas.Fill(Bounds.Around(ex, .02f, s, s * 1.5f), (x, y) => Sdf.Ellipse(x - ex, y - .02f, s * .62f, s * 1.25f), (x, y) => Skin(x, y) * .92f);
            canvas.Fill(Bounds.Around(ex, .02f, s, s), (x, y) => Sdf.Ellipse(x - ex - side * .01f, y - .02f, s * .28f, s * .75f), (x, y) => Skin(x, y) * .74f);
        }

        canvas.Fill(new(-.7f, -.85f, .7f, .9f), head.Outline, Skin);

        Vector3 rose = Vector3.Lerp(id.Skin, new Vector3(.92f, .32f, .30f), .6f);
        foreach (float side in (ReadOnlySpan<float>)[-1, 1])
        {
            float cx = side * id.HalfWidth * .58f;
            Glow(canvas, cx, .19f, .17f, rose, id.Blush);
        }
    }

    /// Skin marks; drawn with the features, which they move with.
    public static void Marks(Canvas canvas, Head head)
    {
        FaceIdentity id = head.Identity;
        canvas.Pose = head.Features;
        Vector3 dark = id.Skin * .55f;

        if (id.Freckles)
        {
            WorldRandom rng = WorldRandom.Stream(id.Seed, 2);
            Vector3 spot = id.Skin * new Vector3(.72f, .58f, .50f);
            for (int i = 0; i < 16; i++)
            {
                float fx = rng.Pick(-1f, 1f) * rng.Uniform(.05f, .33f), fy = rng.Uniform(.05f, .27f), r = rng.Uniform(.011f, .019f);
                canvas.Fill(Bounds.Around(fx, fy, r, r), (x, y) => Sdf.Circle(x - fx, y - fy, r), spot, .60f);
            }
        }
        if (id.Mole is { } mole)
            canvas.Fill(Bounds.Around(mole.X, mole.Y, .03f, .03f), (x, y) => Sdf.Circle(x - mole.X, y - mole.Y, .024f), id.Skin * .35f);

        if (!id.Old) return;
        for (int i = 0; i < 3; i++)
        {
            float ly = id.EyeY - .22f - .055f * i, half = .24f - .02f * i;
            Stroke(canvas, 0, ly, half, (x, _) => -.03f * x * x / (half * half) * 2, .007f, dark, .6f);
        }
        foreach (float side in (ReadOnlySpan<float>)[-1, 1])
        {
            float ex = side * id.EyeDistance * head.Squeeze;
            Stroke(canvas, ex, id.EyeY + .105f, id.EyeWidth, (x, _) => -2.2f * x * x, .008f, dark, .55f);
            canvas.Fill(new(-.5f, .1f, .5f, .6f),
                (x, y) => Sdf.Capsule(x, y, side * (id.NoseWidth + .05f), .20f, side * (id.MouthWidth + .06f), id.MouthY, .006f), dark, .7f);
        }
    }

    public static void Beard(Canvas canvas, Head head)
    {
        FaceIdentity id = head.Identity;
        if (id.Beard == World.Beard.None) return;
        canvas.Pose = head.Skull;
        Vector3 Hair(float x, float y) => Colour.Clamp(id.Hair * (.72f + .25f * head.Shade(x, y) + .10f * MathF.Sin(70 * x) * MathF.Sin(33 * y + 9 * x)));
        float shift = (head.Features.Shift - head.Skull.Shift).X, mouth = id.MouthY, lip = mouth - id.LipThickness - .025f, chin = head.ChinY;
        float Moustache(float x, float y) => Sdf.Ellipse(x - shift, y - lip - .9f * (x - shift) * (x - shift), id.MouthWidth * 1.02f, .042f);

        // cheeks bare above a line from the ear to the corner of the mouth
        float Jaw(float x, float y)
        {
            float u = MathF.Min(MathF.Abs(x) / id.HalfWidth, 1);
            return MathF.Max(head.Outline(x, y) - (id.Beard == World.Beard.Full ? .035f : 0), .7f * (mouth - .07f - .30f * u * u * u - y));
        }
        float Goatee(float x, float y) => MathF.Max(Sdf.Ellipse(x - shift, y - (mouth + chin) / 2 - .06f, .17f, (chin - mouth) * .5f + .06f), head.Outline(x, y) - .03f);
        Bounds low = new(-.7f, -.1f, .7f, .95f);

        if (id.Beard is World.Beard.Full) canvas.Fill(low, Jaw, Hair, .96f);
        if (id.Beard is World.Beard.Stubble) canvas.Fill(low, Jaw, (_, _) => id.Hair * .8f, .24f);
        if (id.Beard is World.Beard.Goatee) canvas.Fill(low, Goatee, Hair, .96f);
        if (id.Beard is not World.Beard.Stubble) canvas.Fill(low, Moustache, Hair, .96f);
    }

    /// A round patch that fades out: blush, shine.
    public static void Glow(Canvas canvas, float cx, float cy, float radius, Vector3 colour, float opacity) =>
        canvas.Blend(Bounds.Around(cx, cy, radius, radius),
            (x, y) => opacity * Colour.Smoothstep(radius, 0, Sdf.Circle(x - cx, y - cy, 0)), (_, _) => colour);

    /// A line of half-thickness t around y = cy + curve(x), |x - cx| below half, with x measured from cx.
    public static void Stroke(Canvas canvas, float cx, float cy, float half, Func<float, float, float> curve, float t, Vector3 colour, float opacity = 1) =>
        canvas.Fill(Bounds.Around(cx, cy, half, half + .1f),
            (x, y) => MathF.Max(MathF.Abs(y - cy - curve(x - cx, y)) - t, MathF.Abs(x - cx) - half), colour, opacity);
}
