namespace IlgpuDiffusion.Data.World;

public enum Expression { Neutral, Smiling, Surprised, Sad }

public enum Accessory { None, RedHat, Glasses, BlueScarf }

public enum Background { Plain, Beach, Forest, City, Snow }

public enum Style { None, PencilSketch, PixelArt, PopArt, Watercolor, Neon, BlackAndWhite, Stone, Impressionist }

/// What a prompt asks for: everything about a picture that is neither the person nor chance.
public sealed record FaceContext(
    Expression Expression = Expression.Neutral,
    Accessory Accessory = Accessory.None,
    Background Background = Background.Plain,
    Style Style = Style.None)
{
    /// The training distribution: half neutral, two thirds without accessory, 60 % plain, 55 % unstyled.
    public static FaceContext Sample(WorldRandom rng) => new(
        (Expression)rng.Weighted(.50f, .20f, .15f, .15f),
        (Accessory)rng.Weighted(.64f, .12f, .12f, .12f),
        (Background)rng.Weighted(.60f, .10f, .10f, .10f, .10f),
        SampleStyle(rng, .45f));

    /// One of the eight filters with the given probability, else none.
    public static Style SampleStyle(WorldRandom rng, float probability) =>
        rng.Chance(probability) ? (Style)(1 + rng.Index(8)) : Style.None;
}
