using System.Numerics;

namespace IlgpuDiffusion.Data.World;

/// The geometry that the painters share: poses of the layers of a turned head, the outline of the skull and the light on it.
sealed class Head
{
    const float Parallax = .06f, CentreY = -.02f;

    public Head(FaceIdentity identity, FaceNuisance nuisance)
    {
        Identity = identity;
        Nuisance = nuisance;
        Skull = new Pose(nuisance.Shift, nuisance.Scale, nuisance.Roll).Moved(.4f * Parallax * nuisance.Yaw, 0);
        Features = Skull.Moved(1.1f * Parallax * nuisance.Yaw, .035f * nuisance.Pitch);
        BackHair = Skull.Moved(-.8f * Parallax * nuisance.Yaw, 0);
        Body = new Pose(nuisance.Shift * .7f, nuisance.Scale, 0);
        Squeeze = 1 - .06f * MathF.Abs(nuisance.Yaw);
    }

    public FaceIdentity Identity { get; }
    public FaceNuisance Nuisance { get; }
    public Pose Body { get; }
    public Pose BackHair { get; }
    public Pose Skull { get; }
    public Pose Features { get; }

    /// Horizontal foreshortening of the features.
    public float Squeeze { get; }

    public float Top => CentreY - Identity.HalfHeight;
    public float ChinY => CentreY + Identity.HalfHeight + Identity.Chin;

    /// Outline of the skull: an ellipse above, below it a superellipse (exponent Jaw) that narrows towards the chin.
    /// The distance is taken along the ray from the centre, which is close enough for a convex shape.
    public float Outline(float x, float y)
    {
        float v = y - CentreY;
        float h = v < 0 ? Identity.HalfHeight : Identity.HalfHeight + Identity.Chin;
        float w = Identity.HalfWidth, k;
        if (v <= 0)
            k = MathF.Sqrt(x * x / (w * w) + v * v / (h * h));
        else
        {
            float t = MathF.Min(v / h, 1.2f), n = Identity.Jaw;
            w *= 1 - (Identity.Man ? .15f : .20f) * t * MathF.Sqrt(t);
            k = MathF.Pow(MathF.Pow(MathF.Abs(x) / w, n) + MathF.Pow(v / h, n), 1 / n);
        }
        return k < 1e-3f ? -w : MathF.Sqrt(x * x + v * v) * (1 - 1 / k);
    }

    /// Half-width of the skull at a height, of its widest part below the ears.
    public float HalfWidthAt(float y)
    {
        float v = MathF.Min(y - CentreY, 0) / Identity.HalfHeight;
        return Identity.HalfWidth * MathF.Sqrt(MathF.Max(1 - v * v, .01f));
    }

    /// Brightness of the skin or hair at a point, from the normal of a sphere stretched over the skull.
    public float Shade(float x, float y)
    {
        float nx = Math.Clamp(x / Identity.HalfWidth, -1.2f, 1.2f), ny = Math.Clamp((y - CentreY) / Identity.HalfHeight, -1.2f, 1.2f);
        float nz = MathF.Sqrt(MathF.Max(0, 1 - nx * nx - ny * ny));
        Vector2 light = Nuisance.Light;
        return .80f + .22f * (nx * light.X * .8f + ny * light.Y * .55f) + .18f * nz;
    }
}
