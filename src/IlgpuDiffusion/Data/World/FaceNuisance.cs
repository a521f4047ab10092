using System.Numerics;

namespace IlgpuDiffusion.Data.World;

/// Chance: what differs between two pictures of one person in one context and is in no caption.
public sealed record FaceNuisance
{
    public float Yaw { get; init; }                                     // -1 .. 1, to the right of the picture
    public float Pitch { get; init; }                                   // -1 .. 1, down
    public float Roll { get; init; }                                    // radians
    public float Scale { get; init; } = 1;
    public Vector2 Shift { get; init; }
    public Vector2 Light { get; init; } = new(-.4f, -.6f);              // direction the light comes from, length up to 1
    public float Gain { get; init; } = 1;
    public Vector3 Backdrop { get; init; } = new(.84f, .84f, .83f);     // used by Background.Plain
    public Vector3 Clothes { get; init; } = new(.27f, .33f, .45f);
    public int Collar { get; init; }                                    // 0 round, 1 V-neck, 2 shirt collar
    public float Noise { get; init; }                                   // standard deviation of the pixel noise
    public long SceneSeed { get; init; }                                // trees, windows, flakes, pixel noise

    /// Frontal, evenly lit, light grey backdrop: for tests, ground truth and contact sheets.
    public static FaceNuisance Plain { get; } = new();

    public static FaceNuisance Sample(WorldRandom rng) => new()
    {
        Yaw = rng.Uniform(-1, 1),
        Pitch = rng.Uniform(-1, 1),
        Roll = rng.Uniform(-.09f, .09f),
        Scale = rng.Uniform(.95f, 1.05f),
        Shift = new Vector2(rng.Uniform(-.06f, .06f), rng.Uniform(-.05f, .05f)),
        Light = new Vector2(rng.Uniform(-1, 1), rng.Uniform(-1, .1f)),
        Gain = rng.Uniform(.92f, 1.06f),
        // studio grey as in the photographs, or any muted colour
        Backdrop = rng.Chance(.4f) ? new Vector3(rng.Uniform(.72f, .92f)) : Colour.Hsv(rng.Uniform(), rng.Uniform(.1f, .6f), rng.Uniform(.45f, .95f)),
        Clothes = Colour.Hsv(rng.Uniform(), rng.Uniform(.1f, .8f), rng.Uniform(.15f, .9f)),
        Collar = rng.Index(3),
        Noise = rng.Uniform(0, .012f),
        SceneSeed = (long)rng.Next(),
    };
}
