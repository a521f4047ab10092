using System.Numerics;

namespace IlgpuDiffusion.Data.World;

/// Five backgrounds. The head covers the middle, so what tells them apart stands at the sides and above.
public static class BackgroundPainter
{
    /// A scene alone, size x size RGB (HWC, 0..1). backdrop is the colour of Background.Plain.
    public static float[] Render(Background background, long sceneSeed, Vector3 backdrop, int size = 64)
    {
        Canvas canvas = new(size);
        Paint(canvas, background, sceneSeed, backdrop);
        return canvas.Rgb;
    }

    internal static void Paint(Canvas canvas, Background background, long sceneSeed, Vector3 backdrop)
    {
        WorldRandom rng = WorldRandom.Stream(sceneSeed, 3);
        switch (background)
        {
            case Background.Beach: Beach(canvas, rng); break;
            case Background.Forest: Forest(canvas, rng); break;
            case Background.City: City(canvas, rng); break;
            case Background.Snow: Snow(canvas, rng); break;
            default: canvas.Fill((x, y) => Colour.Clamp(backdrop * (1.02f - .06f * y - .05f * (x * x + y * y)))); break;
        }
    }

    static void Beach(Canvas canvas, WorldRandom rng)
    {
        float horizon = rng.Uniform(-.16f, .02f), shore = horizon + rng.Uniform(.30f, .42f), phase = rng.Uniform(0, 6);
        Gradient(canvas, new(.30f, .62f, .95f), new(.80f, .93f, 1f), -1, horizon);
        float sx = rng.Pick(-1f, 1f) * rng.Uniform(.66f, .86f), sy = rng.Uniform(-.85f, -.6f);
        canvas.Fill(Bounds.Around(sx, sy, .14f, .14f), (x, y) => Sdf.Circle(x - sx, y - sy, .12f), new Vector3(1, .95f, .55f));
        canvas.Fill(new(-1, horizon, 1, 1), (_, y) => horizon - y, (x, y) =>
            Vector3.Lerp(new(.02f, .36f, .68f), new(.15f, .68f, .78f), Math.Clamp((y - horizon) / (shore - horizon), 0, 1)) * (1 + .06f * MathF.Sin(60 * y + 6 * x)));
        float Shore(float x) => shore + .03f * MathF.Sin(4 * x + phase);
        canvas.Fill(new(-1, shore - .1f, 1, 1), (x, y) => Shore(x) - .03f - y, new Vector3(.95f, .98f, 1));
        canvas.Fill(new(-1, shore - .1f, 1, 1), (x, y) => Shore(x) + .02f - y, (x, y) =>
            new Vector3(.95f, .83f, .58f) * (.98f - .12f * (y - shore) + .03f * MathF.Sin(41 * x + 13 * y) * MathF.Sin(37 * y)));
        if (!rng.Chance(.6f)) return;

        // a palm beside the head, away from the sun
        float side = -MathF.Sign(sx), px = side * rng.Uniform(.74f, .90f), py = rng.Uniform(-.62f, -.45f);
        canvas.Fill(new(-1, py, 1, shore + .2f), (x, y) => MathF.Abs(x - px - side * .10f * (y - py) * (y - py)) - .030f, new Vector3(.45f, .30f, .17f));
        for (int i = 0; i < 6; i++)
        {
            (float s, float c) = MathF.SinCos(i * MathF.PI / 3 + .3f);
            float tx = px + .30f * c, ty = py + .16f * s;
            canvas.Fill(Bounds.Around(px, py, .4f, .35f), (x, y) => Sdf.Capsule(x, y - .8f * (x - px) * (x - px), px, py, tx, ty, .030f), new Vector3(.12f, .48f, .18f));
        }
    }

    static void Forest(Canvas canvas, WorldRandom rng)
    {
        Gradient(canvas, new(.34f, .58f, .22f), new(.10f, .26f, .08f), -1, 1);
        for (int i = 0; i < 26; i++)
        {
            float bx = rng.Uniform(-1.1f, 1.1f), by = rng.Uniform(-1.1f, .75f), r = rng.Uniform(.10f, .26f);
            Vector3 leaf = new Vector3(.16f, .42f, .11f) * rng.Uniform(.55f, 1.55f) + new Vector3(rng.Uniform(0, .10f), rng.Uniform(0, .08f), 0);
            canvas.Fill(Bounds.Around(bx, by, r, r), (x, y) => Sdf.Ellipse(x - bx, y - by, r, r * .8f), leaf, .85f);
            if (i % 6 != 5) continue;
            float tx = (i % 12 == 5 ? -1 : 1) * rng.Uniform(.52f, .95f), half = rng.Uniform(.045f, .085f);
            Vector3 bark = new Vector3(.36f, .24f, .14f) * rng.Uniform(.65f, 1.15f);
            canvas.Fill(new(tx - half - .1f, -1, tx + half + .1f, 1), (x, y) => MathF.Abs(x - tx) - half * (1 + .25f * MathF.Max(0, y)),
                (x, y) => bark * (1.1f - .5f * MathF.Abs(x - tx + .02f) / half + .08f * MathF.Sin(50 * y + 30 * x)));
        }
        for (int i = 0; i < 10; i++)
        {
            float bx = rng.Uniform(-1, 1), by = rng.Uniform(-1f, -.6f), r = rng.Uniform(.10f, .20f);
            canvas.Fill(Bounds.Around(bx, by, r, r), (x, y) => Sdf.Ellipse(x - bx, y - by, r, r * .7f), new Vector3(.28f, .58f, .16f) * rng.Uniform(.8f, 1.25f), .9f);
        }
    }

    static void City(Canvas canvas, WorldRandom rng)
    {
        Gradient(canvas, new(.02f, .03f, .13f), new(.20f, .12f, .34f), -1, .6f);
        float mx = rng.Pick(-1f, 1f) * rng.Uniform(.6f, .85f), my = rng.Uniform(-.88f, -.74f);
        canvas.Fill(Bounds.Around(mx, my, .1f, .1f), (x, y) => Sdf.Circle(x - mx, y - my, .085f), new Vector3(.97f, .95f, .82f));
        ulong windows = rng.Next();
        for (float left = -1 - rng.Uniform(0, .2f); left < 1;)
        {
            float width = rng.Uniform(.24f, .40f), roof = rng.Uniform(-.72f, -.10f), x0 = left;
            Vector3 wall = new Vector3(.07f, .08f, .15f) * rng.Uniform(.7f, 1.5f);
            canvas.Fill(new(x0, roof, x0 + width, 1), (x, y) => Sdf.Box(x - x0 - width / 2, y - roof - 1, width / 2 - .01f, 1), (x, y) =>
            {
                // windows on a grid of .094 x .125 (3 x 4 pixels at 64), two thirds of them lit
                float gx = (x - x0 - .03f) / .094f, gy = (y - roof - .05f) / .125f;
                int i = (int)MathF.Floor(gx), j = (int)MathF.Floor(gy);
                bool pane = gx - i < .62f && gy - j < .55f && x < x0 + width - .04f && gy > 0 && gx > 0;
                if (!pane) return wall;
                ulong dice = new WorldRandom(windows ^ (ulong)(i * 73856093) ^ (ulong)(j * 19349663) ^ (ulong)(int)(x0 * 1000)).Next();
                return dice % 8 < 5 ? (dice % 16 < 8 ? new Vector3(1, .86f, .35f) : new Vector3(1, .72f, .25f)) : wall * 1.5f;
            });
            left += width;
        }
    }

    static void Snow(Canvas canvas, WorldRandom rng)
    {
        float hill = rng.Uniform(.05f, .20f), phase = rng.Uniform(0, 6);
        Gradient(canvas, new(.60f, .72f, .86f), new(.84f, .90f, .96f), -1, hill);
        int trees = 3 + rng.Index(3);
        for (int i = 0; i < trees; i++)
        {
            float tx = (i % 2 == 0 ? -1 : 1) * rng.Uniform(.55f, .98f), h = rng.Uniform(.5f, .8f), ty = hill + rng.Uniform(.02f, .12f) - h;
            for (int k = 0; k < 3; k++)
            {
                float ky = ty + h * .27f * k, kh = h * .46f, ka = h * (.16f + .07f * k);
                canvas.Fill(new(tx - ka, ky, tx + ka, ky + kh), (x, y) => Sdf.Triangle(x - tx, y - ky, ka, kh), new Vector3(.13f, .34f, .28f));
                canvas.Fill(new(tx - ka, ky, tx + ka, ky + kh), (x, y) => Sdf.Triangle(x - tx, y - ky, ka * .50f, kh * .45f), new Vector3(.95f, .97f, 1));
            }
        }
        canvas.Fill(new(-1, hill - .2f, 1, 1), (x, y) => hill + .06f * MathF.Sin(2.5f * x + phase) - y,
            (x, y) => new Vector3(.97f, .98f, 1) * (1 - .09f * Colour.Smoothstep(hill, 1, y)));
        for (int i = 0; i < 60; i++)
        {
            float fx = rng.Uniform(-1, 1), fy = rng.Uniform(-1, 1), r = rng.Uniform(.014f, .036f);
            canvas.Fill(Bounds.Around(fx, fy, r, r), (x, y) => Sdf.Circle(x - fx, y - fy, r), Vector3.One, .95f);
        }
    }

    static void Gradient(Canvas canvas, Vector3 above, Vector3 below, float y0, float y1) =>
        canvas.Fill((_, y) => Vector3.Lerp(above, below, Math.Clamp((y - y0) / (y1 - y0), 0, 1)));
}
