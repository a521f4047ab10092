using System.Numerics;

namespace IlgpuDiffusion.Data.World;

/// Where hat, glasses and scarf sit. Made from a rendered head, or from what is known of an aligned photograph.
readonly record struct AccessoryFit(float EyeX, float EyeY, float HalfWidth, float BrimY, float CrownY, float ChinY, float NeckHalfWidth)
{
    public static AccessoryFit Of(Head head) => new(
        head.Identity.EyeDistance * head.Squeeze, head.Identity.EyeY, head.Identity.HalfWidth + .05f,
        head.Identity.EyeY - .33f, head.Top - .20f, head.ChinY, head.Identity.NeckHalfWidth);
}

/// Red hat, black-rimmed glasses, blue scarf. Colours never vary: the caption names them.
static class AccessoryPainter
{
    static readonly Vector3 Red = new(.86f, .07f, .10f), Blue = new(.12f, .28f, .86f), Rim = new(.05f, .05f, .07f);

    /// A brimmed hat, in the pose of the skull.
    public static void Hat(Canvas canvas, AccessoryFit fit, Vector2 light)
    {
        float w = fit.HalfWidth, brim = fit.BrimY, height = brim - fit.CrownY;
        Vector3 Felt(float x, float y) => Colour.Clamp(Red * (.86f + .20f * MathF.Exp(-MathF.Pow((x / w - .35f * light.X) / .45f, 2)) - .16f * x * x / (w * w)));
        float Crown(float x, float y)
        {
            float v = (brim - y) / height;
            return Sdf.Box(x, y - brim + height * .5f, w * (1 - .14f * MathF.Max(v, 0)), height * .5f + .02f, MathF.Min(.20f, height * .45f));
        }
        float Brim(float x, float y) => Sdf.Ellipse(x, y - brim - .05f * x * x, w * 1.50f, .085f);

        canvas.Fill(new(-w - .1f, fit.CrownY - .1f, w + .1f, brim + .1f), Crown, Felt);
        canvas.Fill(new(-w - .1f, brim - .2f, w + .1f, brim + .02f), (x, y) => MathF.Max(Crown(x, y), MathF.Abs(y - brim + .115f) - .045f), Red * .45f);
        canvas.Fill(Bounds.Around(0, brim + .03f, w, .12f), (x, y) => MathF.Max(Sdf.Ellipse(x, y - brim - .06f, w * .92f, .09f), Brim(x, y) - .05f), Vector3.Zero, .30f);
        canvas.Fill(Bounds.Around(0, brim, w * 1.55f, .16f), Brim, (x, y) => Felt(x, y) * (y > brim + .05f * x * x + .02f ? .74f : 1.02f));
    }

    /// Round glasses, in the pose of the features.
    public static void Glasses(Canvas canvas, AccessoryFit fit)
    {
        const float rx = .175f, ry = .145f, t = .019f;
        float ex = MathF.Max(fit.EyeX, rx + .035f), cy = fit.EyeY + .01f;
        foreach (float side in (ReadOnlySpan<float>)[-1, 1])
        {
            float cx = side * ex;
            float Lens(float x, float y) => Sdf.Box(x - cx, y - cy, rx, ry, .12f);
            canvas.Fill(Bounds.Around(cx, cy, rx, ry), Lens, new Vector3(.85f, .93f, 1), .19f);
            canvas.Fill(Bounds.Around(cx, cy, rx + .04f, ry + .04f), (x, y) => MathF.Abs(Lens(x, y)) - t, Rim);
            canvas.Fill(new(-.8f, cy - .1f, .8f, cy + .05f), (x, y) => Sdf.Capsule(x, y, side * (ex + rx), cy - .04f, side * MathF.Max(fit.HalfWidth - .03f, ex + rx + .01f), cy - .06f, .018f), Rim);
        }
        canvas.Fill(Bounds.Around(0, cy - .02f, .1f, .08f), (x, y) => MathF.Max(MathF.Abs(y - cy + .03f - 2.5f * x * x) - t, MathF.Abs(x) - (ex - rx)), Rim);
    }

    /// A wound scarf with one hanging end, in the pose of the body. Painted before the face, or on a photograph below the chin.
    public static void Scarf(Canvas canvas, AccessoryFit fit)
    {
        float w = fit.NeckHalfWidth + .20f, top = fit.ChinY - .06f;
        Vector3 Knit(float x, float y) => Blue * (.90f + .16f * MathF.Sin(24 * (x + .6f * y))) + new Vector3(.04f);
        // a band that rises towards both sides, as it goes round the neck
        float Band(float x, float y, float centre, float half, float rise) => Sdf.Box(x, y - centre + rise * x * x, w, half, .07f);
        Bounds around = new(-w - .1f, top - .25f, w + .1f, 1.2f);
        canvas.Fill(around, (x, y) => Sdf.Box(x - .20f - .10f * (y - top), y - top - .45f, .13f, .36f, .03f), (x, y) => Knit(x, -y) * .80f);
        canvas.Fill(around, (x, y) => Band(x, y, top + .22f, .09f, .25f), (x, y) => Colour.Clamp(Knit(-x, y) * .70f));
        canvas.Fill(around, (x, y) => Band(x, y, top + .12f, .10f, .40f), (x, y) => Colour.Clamp(Knit(x, y) * (1.08f - .25f * x * x / (w * w))));
    }
}
