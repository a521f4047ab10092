using System.Numerics;

namespace IlgpuDiffusion.Data.World;

public enum HairStyle { Bald, Buzz, Short, Parted, Bangs, Curly, Long, Wavy, Bob, Bun }

public enum HairColour { Black, Brown, Blond, Red, Grey }

public enum Beard { None, Stubble, Moustache, Goatee, Full }

/// The person: everything that stays the same from picture to picture. Lengths are in picture coordinates ([-1,1], y down,
/// eyes near (±0.25, -0.05)); colours are linear mixes of sRGB values in 0..1.
public sealed record FaceIdentity
{
    /// Training identities are 0 .. TrainingIdentities-1; every seed from here on is held out and never trained on.
    public const long FirstHeldOut = 1_000_000;

    public required long Seed { get; init; }
    public required bool Man { get; init; }
    public required Vector3 Skin { get; init; }
    public required float Blush { get; init; }

    public required float HalfWidth { get; init; }
    public required float HalfHeight { get; init; }
    public required float Jaw { get; init; }            // exponent of the lower half: 2 is an ellipse, 3 is square
    public required float Chin { get; init; }           // lengthens the lower half
    public required float NeckHalfWidth { get; init; }
    public required float EarSize { get; init; }

    public required HairStyle HairStyle { get; init; }
    public required HairColour HairColour { get; init; }
    public required Vector3 Hair { get; init; }
    public required float HairLength { get; init; }     // y where long hair ends
    public required float Hairline { get; init; }       // y where the forehead ends
    public required float HairVolume { get; init; }
    public required float Parting { get; init; }        // x of the parting

    public required float EyeDistance { get; init; }    // half of the distance between the pupils
    public required float EyeY { get; init; }
    public required float EyeWidth { get; init; }
    public required float EyeAspect { get; init; }
    public required float EyeTilt { get; init; }
    public required Vector3 Iris { get; init; }

    public required float BrowHeight { get; init; }
    public required float BrowThickness { get; init; }
    public required float BrowTilt { get; init; }
    public required float BrowLength { get; init; }
    public required float BrowArch { get; init; }

    public required float NoseWidth { get; init; }
    public required float NoseLength { get; init; }
    public required float NoseBridge { get; init; }

    public required float MouthWidth { get; init; }
    public required float LipThickness { get; init; }
    public required float MouthY { get; init; }
    public required float LipRed { get; init; }

    public required bool Old { get; init; }
    public required Beard Beard { get; init; }
    public required bool Freckles { get; init; }
    public required Vector2? Mole { get; init; }

    static readonly Vector3[] SkinRamp =
        [new(.98f, .86f, .77f), new(.94f, .76f, .64f), new(.84f, .63f, .48f), new(.66f, .46f, .33f), new(.47f, .31f, .22f), new(.32f, .20f, .14f)];

    static readonly Vector3[] HairColours =
        [new(.10f, .09f, .10f), new(.36f, .21f, .12f), new(.90f, .74f, .38f), new(.74f, .29f, .09f), new(.72f, .72f, .74f)];

    static readonly Vector3[] IrisColours = [new(.30f, .17f, .08f), new(.20f, .42f, .72f), new(.25f, .50f, .28f), new(.45f, .48f, .50f)];

    // order of HairStyle
    static readonly float[] MenStyles = [.12f, .14f, .26f, .18f, .08f, .12f, .05f, .05f, 0, 0];
    static readonly float[] WomenStyles = [.01f, .03f, .08f, .06f, .08f, .14f, .19f, .16f, .14f, .11f];

    /// The person with this seed: a pure function of the number.
    public static FaceIdentity Sample(long seed)
    {
        WorldRandom rng = WorldRandom.Stream(seed, 1);
        bool man = rng.Chance(.5f);
        bool old = rng.Chance(.25f);
        // old people are grey more often than the rest; the shares over everybody are .26 .26 .20 .15 .13
        HairColour hair = (HairColour)(old ? rng.Weighted(.20f, .18f, .14f, .10f, .38f) : rng.Weighted(.28f, .28f, .22f, .17f, .05f));
        float eyeY = rng.Uniform(-.09f, -.02f);
        float mouthY = rng.Uniform(.35f, .44f);
        return new FaceIdentity
        {
            Seed = seed,
            Man = man,
            Old = old,
            Skin = SkinColour(rng.Uniform(0, 5), rng.Uniform(-1, 1)),
            Blush = rng.Uniform(0, man ? .15f : .35f),
            HalfWidth = rng.Uniform(.42f, .54f),
            HalfHeight = rng.Uniform(.61f, .73f),
            Jaw = rng.Uniform(1.7f, 2.9f) + (man ? .4f : 0),
            Chin = rng.Uniform(-.06f, .08f),
            NeckHalfWidth = man ? rng.Uniform(.24f, .34f) : rng.Uniform(.18f, .25f),
            EarSize = rng.Uniform(.07f, .12f),
            HairStyle = (HairStyle)rng.Weighted(man ? MenStyles : WomenStyles),
            HairColour = hair,
            Hair = Colour.Clamp(HairColours[(int)hair] * (1 + rng.Uniform(-.10f, .10f)) + new Vector3(rng.Uniform(-.05f, .05f), rng.Uniform(-.02f, .02f), 0)),
            HairLength = rng.Uniform(.40f, 1f),
            Hairline = rng.Uniform(-.50f, -.36f),
            HairVolume = rng.Uniform(.05f, .17f),
            Parting = rng.Uniform(-.3f, .3f),
            EyeDistance = rng.Uniform(.205f, .28f),
            EyeY = eyeY,
            EyeWidth = rng.Uniform(.080f, .125f),
            EyeAspect = rng.Uniform(.42f, .70f),
            EyeTilt = rng.Uniform(-.25f, .25f),
            Iris = IrisColours[rng.Weighted(.4f, .25f, .2f, .15f)],
            BrowHeight = rng.Uniform(.13f, .19f),
            BrowThickness = rng.Uniform(.014f, man ? .046f : .034f),
            BrowTilt = rng.Uniform(-.25f, .25f),
            BrowLength = rng.Uniform(.11f, .16f),
            BrowArch = rng.Uniform(.5f, 2.5f),
            NoseWidth = rng.Uniform(.060f, .140f),
            NoseLength = rng.Uniform(.20f, .30f),
            NoseBridge = rng.Uniform(.2f, 1f),
            MouthWidth = rng.Uniform(.13f, .22f),
            LipThickness = rng.Uniform(.020f, .050f),
            MouthY = mouthY,
            LipRed = rng.Uniform() * (man ? .5f : 1f),
            Beard = man ? (Beard)rng.Weighted(.45f, .15f, .12f, .12f, .16f) : Beard.None,
            Freckles = rng.Chance(.15f),
            Mole = rng.Chance(.25f) ? new Vector2(rng.Pick(-1f, 1f) * rng.Uniform(.12f, .30f), rng.Uniform(.05f, .42f)) : null,
        };
    }

    static Vector3 SkinColour(float position, float undertone)
    {
        int i = Math.Min((int)position, SkinRamp.Length - 2);
        Vector3 tone = Vector3.Lerp(SkinRamp[i], SkinRamp[i + 1], position - i);
        return Colour.Clamp(tone + undertone * new Vector3(.04f, 0, -.05f));
    }
}
