using System.Numerics;

namespace IlgpuDiffusion.Data.World;

/// Eyes, brows, nose and mouth; expressions change their openings and curves.
static class FeaturePainter
{
    /// How an expression changes the neutral face.
    readonly record struct Pull(float EyeOpen, float BrowRaise, float InnerBrow, float MouthCurve, float MouthOpen, float MouthWidth);

    static Pull Of(Expression expression) => expression switch
    {
        Expression.Smiling => new(.80f, .005f, 0, .085f, .040f, 1.30f),
        Expression.Surprised => new(1.55f, .075f, .01f, 0, .105f, .62f),
        Expression.Sad => new(.72f, -.005f, .085f, -.085f, 0, .95f),
        _ => new(1, 0, 0, .014f, 0, 1),
    };

    public static void Paint(Canvas canvas, Head head, Expression expression)
    {
        Pull pull = Of(expression);
        canvas.Pose = head.Features;
        Nose(canvas, head);
        foreach (float side in (ReadOnlySpan<float>)[-1, 1])
        {
            Eye(canvas, head, side, pull);
            Brow(canvas, head, side, pull);
        }
        Mouth(canvas, head, expression, pull);
        if (expression == Expression.Smiling) Cheeks(canvas, head);
    }

    static void Eye(Canvas canvas, Head head, float side, Pull pull)
    {
        FaceIdentity id = head.Identity;
        float cx = side * id.EyeDistance * head.Squeeze, cy = id.EyeY, w = id.EyeWidth;
        float up = w * id.EyeAspect * pull.EyeOpen, down = w * id.EyeAspect * .72f * MathF.Min(pull.EyeOpen, 1.2f);
        float tilt = -side * (id.EyeTilt * .6f) + side * pull.InnerBrow * 1.5f;
        Bounds around = Bounds.Around(cx, cy, w + .05f, w + .10f);

        // almond between two parabolas; the socket is a soft shadow around it
        float Almond(float x, float y, float grow)
        {
            float u = (x - cx) / (w + grow), v = y - cy - tilt * (x - cx);
            float bell = 1 - u * u;
            return MathF.Max(MathF.Max(-v - up * bell - grow, v - down * bell - grow) * .85f, MathF.Abs(x - cx) - w - grow);
        }
        canvas.Fill(around, (x, y) => Almond(x, y, .030f), id.Skin * .62f, .45f);
        float lids = MathF.Max(Colour.Luma(id.Skin) * .25f, .1f);
        canvas.Fill(around, (x, y) => Almond(x, y, .008f), new Vector3(.96f, .95f, .93f) * (.80f + lids * .7f));

        float iris = MathF.Min(w * .62f, .062f), gaze = .25f * iris * head.Nuisance.Yaw;
        float Iris(float x, float y, float r) => MathF.Max(Sdf.Circle(x - cx - gaze, y - cy + .10f * up, r), Almond(x, y, .004f));
        canvas.Fill(around, (x, y) => Iris(x, y, iris), id.Iris * .8f);
        canvas.Fill(around, (x, y) => Iris(x, y, iris * .5f), new Vector3(.03f));
        float hx = cx + gaze + .35f * iris * MathF.Sign(head.Nuisance.Light.X), hy = cy - .45f * iris;
        canvas.Fill(around, (x, y) => Iris(x - hx + cx + gaze, y - hy + cy - .10f * up, iris * .22f), Vector3.One, .9f);

        // upper lid; longer and darker lashes for women
        float lash = id.Man ? .011f : .019f;
        Vector3 lid = id.Man ? id.Skin * .30f : new Vector3(.07f, .05f, .05f);
        canvas.Fill(around, (x, y) =>
        {
            float u = (x - cx) / w;
            return MathF.Max(MathF.Abs(y - cy - tilt * (x - cx) + up * (1 - u * u) + .005f) * .85f - lash, MathF.Abs(x - cx - side * .01f) - w - .012f);
        }, lid, .95f);
    }

    static void Brow(Canvas canvas, Head head, float side, Pull pull)
    {
        FaceIdentity id = head.Identity;
        float cx = side * (id.EyeDistance + .01f) * head.Squeeze, half = id.BrowLength, t = id.BrowThickness;
        float cy = id.EyeY - id.BrowHeight - pull.BrowRaise;
        float tilt = -side * id.BrowTilt * .7f + side * pull.InnerBrow * 5f;
        Vector3 colour = id.HairColour is HairColour.Blond or HairColour.Grey ? id.Hair * .62f : id.Hair * .72f;
        // thinner towards the temple
        canvas.Fill(Bounds.Around(cx, cy, half + .03f, .16f), (x, y) =>
        {
            float u = x - cx, out01 = side * u / half * .5f + .5f;
            return MathF.Max(MathF.Abs(y - cy - tilt * u - id.BrowArch * u * u) - t * (1.15f - .55f * out01), MathF.Abs(u) - half);
        }, colour, .92f);
    }

    static void Nose(Canvas canvas, Head head)
    {
        FaceIdentity id = head.Identity;
        float top = id.EyeY + .02f, tip = id.EyeY + id.NoseLength + .02f, w = id.NoseWidth;
        float lit = head.Nuisance.Light.X >= 0 ? 1 : -1, turn = .03f * head.Nuisance.Yaw;
        Vector3 shadow = id.Skin * .66f, light = Colour.Clamp(id.Skin * 1.10f);

        canvas.Fill(new(-.2f, top, .25f, tip), (x, y) => Sdf.Capsule(x, y, -lit * w * .42f, top, -lit * w * .62f + turn, tip - .05f, .017f), shadow, .55f * id.NoseBridge);
        canvas.Fill(new(-.2f, top, .25f, tip), (x, y) => Sdf.Capsule(x, y, lit * .01f, top + .04f, lit * .01f + turn, tip - .05f, .018f), light, .55f * id.NoseBridge);
        // shadow under the ball, then the ball itself, so that only a crescent stays dark
        canvas.Fill(Bounds.Around(turn, tip, w + .05f, .10f), (x, y) => Sdf.Ellipse(x - turn, y - tip - .010f, w * 1.05f, .052f), shadow * .88f, .85f);
        canvas.Fill(Bounds.Around(turn, tip, w + .05f, .10f), (x, y) => Sdf.Ellipse(x - turn, y - tip + .016f, w * .92f, .050f),
            (x, y) => Colour.Clamp(id.Skin * (head.Shade(x, y) * 1.02f)));
        foreach (float side in (ReadOnlySpan<float>)[-1, 1])
            canvas.Fill(Bounds.Around(turn + side * w * .5f, tip + .022f, .05f, .04f),
                (x, y) => Sdf.Ellipse(x - turn - side * w * .5f, y - tip - .024f, w * .30f, .017f), id.Skin * .28f, .9f);
    }

    static void Mouth(Canvas canvas, Head head, Expression expression, Pull pull)
    {
        FaceIdentity id = head.Identity;
        float w = id.MouthWidth * pull.MouthWidth * head.Squeeze, cy = id.MouthY + .03f * MathF.Max(0, pull.MouthCurve) / .085f;
        if (expression == Expression.Surprised) cy += .035f;
        float open = pull.MouthOpen, lip = id.LipThickness * (expression == Expression.Smiling ? .8f : 1);
        bool round = expression == Expression.Surprised;
        Bounds around = Bounds.Around(0, cy, w + .04f, .24f);

        // corners rise (or fall) with the square of x; the lips close like a lens, the round mouth like an ellipse
        float Middle(float x) => cy - pull.MouthCurve * (x / w) * (x / w);
        float Bell(float x)
        {
            float u = 1 - x / w * (x / w);
            return u <= 0 ? 0 : round ? MathF.Sqrt(u) : MathF.Pow(u, .7f);
        }
        float Between(float x, float y, float upper, float lower)
        {
            float v = y - Middle(x), bell = Bell(x);
            return MathF.Max(MathF.Max(-v - upper * bell, v - lower * bell), MathF.Abs(x) - w);
        }
        // a curved mouth hangs on its corners: the opening grows downwards for a smile
        float opensUp = round ? open : 0, opensDown = round ? open : 2 * open;
        Vector3 natural = Vector3.Lerp(id.Skin * new Vector3(.80f, .60f, .58f), new Vector3(.74f, .13f, .19f), .15f + .70f * id.LipRed);

        canvas.Fill(around, (x, y) => Between(x, y, opensUp + lip * .85f, 0), natural * .88f);
        canvas.Fill(around, (x, y) => Between(x, y, 0, opensDown + lip * 1.15f), Colour.Clamp(natural * 1.05f));
        if (open > 0)
        {
            canvas.Fill(around, (x, y) => Between(x, y, opensUp, opensDown), new Vector3(.22f, .04f, .05f));
            if (round) canvas.Fill(around, (x, y) => Between(x, y, -.45f * open, opensDown * .9f), new Vector3(.62f, .20f, .22f), .75f);
            else canvas.Fill(around, (x, y) => Between(x, y, opensUp - .002f, opensDown * .78f), new Vector3(.97f, .96f, .93f));
        }
        else
        {
            canvas.Fill(around, (x, y) => MathF.Max(MathF.Abs(y - Middle(x)) - .010f, MathF.Abs(x) - w - .01f), natural * .42f, .95f);
            Stroke(canvas, cy + lip * 1.9f + .028f, w * .45f, id.Skin * .70f);
        }

        static void Stroke(Canvas canvas, float y, float half, Vector3 colour) =>
            HeadPainter.Stroke(canvas, 0, y, half, (x, _) => -.9f * x * x, .010f, colour, .5f);
    }

    /// The folds that a smile makes beside the mouth.
    static void Cheeks(Canvas canvas, Head head)
    {
        FaceIdentity id = head.Identity;
        foreach (float side in (ReadOnlySpan<float>)[-1, 1])
        {
            float x0 = side * (id.NoseWidth + .075f), x1 = side * (id.MouthWidth * 1.30f + .05f);
            canvas.Fill(new(-.5f, .1f, .5f, .6f), (x, y) => Sdf.Capsule(x, y, x0, id.MouthY - .16f, x1, id.MouthY - .02f, .008f), id.Skin * .62f, .6f);
        }
    }
}
