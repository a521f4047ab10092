using System.Numerics;

namespace IlgpuDiffusion.Data.World;

/// One augmented training picture of a real person, 64x64 RGB (HWC, 0..1).
public sealed record PhotoSample(float[] Image, string Caption, Photo Photo, FaceContext Context);

/// The endless stream of augmented photographs: flipped, turned, scaled, moved; 4 of 10 with hat, glasses or scarf; those with
/// a plain background also on beaches, in forests, cities and snow; brightness, colour and contrast varied; 4 of 10 filtered.
/// Those known to smile come nearly as often as those known to be neutral, and oftener than those of which nobody wrote it down: a few dozen in hundreds,
/// most of the others unnamed smiles, do not teach the word.
public sealed class PhotoDataset
{
    const float SmilingShare = .35f, NeutralShare = .40f, UnknownShare = .25f;

    readonly IReadOnlyList<Photo> photos;

    // smiling, neutral, unknown
    readonly Photo[][] byExpression;

    public PhotoDataset(IReadOnlyList<Photo> photos, int size = 64)
    {
        if (photos.Count == 0) throw new IlgdException("PhotoDataset: no photographs given");
        if (photos.FirstOrDefault(p => HeldOutPeople.Contains(p.Subject)) is { } kept)
            throw new IlgdException($"{kept.Path}: {kept.Subject} is held out and must not be trained on; use PhotoSet.Training");
        this.photos = photos;
        byExpression =
        [
            [.. photos.Where(p => p.Expression == Expression.Smiling)],
            [.. photos.Where(p => p.Expression is not null and not Expression.Smiling)],
            [.. photos.Where(p => p.Expression is null)],
        ];
        Size = size;
    }

    public int Count => photos.Count;
    public int Size { get; }

    /// The first pass shows each photograph in its own context, unfiltered; after it one by chance, changed by chance.
    /// A pure function of (index, seed).
    public PhotoSample Sample(long index, long seed)
    {
        if (index < 0) throw new IlgdException($"PhotoDataset: index {index} is negative");
        WorldRandom rng = WorldRandom.Stream(seed * 0x5851F42D4C957F2DL + index, 6);
        if (index < Count) return Sample(photos[(int)index], new FaceContext(), rng);
        Photo photo = Pick(rng);
        return Sample(photo, SampleContext(photo, rng), rng);
    }

    Photo Pick(WorldRandom rng)
    {
        float Share(int kind, float share) => byExpression[kind].Length == 0 ? 0 : share;
        Photo[] kind = byExpression[rng.Weighted(Share(0, SmilingShare), Share(1, NeutralShare), Share(2, UnknownShare))];
        return rng.Pick(kind);
    }

    /// This photograph in this context; the expression is the photograph's own. Errors: a background for one without a matte.
    public PhotoSample Sample(Photo photo, FaceContext context, WorldRandom rng)
    {
        context = context with { Expression = photo.Expression ?? Expression.Neutral };
        float[] image = Render(photo, context, rng);
        return new PhotoSample(image, Captions.ForPhoto(photo.Man, photo.Expression, context, rng), photo, context);
    }

    /// What a photograph can be shown in: no background where it has no matte.
    public static FaceContext SampleContext(Photo photo, WorldRandom rng) => new(
        Accessory: (Accessory)rng.Weighted(.60f, .14f, .13f, .13f),
        Background: photo.Matte is null ? Background.Plain : (Background)rng.Weighted(.48f, .13f, .13f, .13f, .13f),
        Style: FaceContext.SampleStyle(rng, .40f));

    float[] Render(Photo photo, FaceContext context, WorldRandom rng)
    {
        Pose pose = new(new Vector2(rng.Uniform(-.05f, .05f), rng.Uniform(-.05f, .05f)), rng.Uniform(.90f, 1.02f), rng.Uniform(-.06f, .06f));
        Matrix3x2 toMaster = ToMaster(pose, rng.Chance(.5f));
        float[] rgb = PhotoAlignment.Resample(photo.Rgb, PhotoSet.MasterSize, PhotoSet.MasterSize, 3, toMaster, Size);
        Matte? matte = photo.Matte?.Resample(PhotoSet.MasterSize, PhotoSet.MasterSize, toMaster, Size);
        // a quarter of the studio pictures get another plain colour: the person is not the wall
        Vector3? backdrop = rng.Chance(.25f) ? Colour.Hsv(rng.Uniform(), rng.Uniform(0, .5f), rng.Uniform(.45f, .95f)) : null;
        Vector2 light = new(rng.Uniform(-1, 1), -.5f);
        rgb = PhotoCompositor.Compose(rgb, matte, Size, context, pose, (long)rng.Next(), backdrop, light);
        Expose(rgb, rng);
        return StyleFilter.Apply(context.Style, rgb, Size, Size);
    }

    /// [-1,1] of the new picture to pixels of the stored one.
    static Matrix3x2 ToMaster(Pose pose, bool flip)
    {
        Matrix3x2 toLocal = Matrix3x2.CreateTranslation(-pose.Shift) * Matrix3x2.CreateRotation(-pose.Roll) * Matrix3x2.CreateScale(1 / pose.Scale);
        if (flip) toLocal *= Matrix3x2.CreateScale(-1, 1);
        return toLocal * PhotoAlignment.Centred(PhotoSet.MasterSize, PhotoSet.MasterSize);
    }

    /// Gain ±10 %, channel gain ±5 %, contrast ±10 % about the middle.
    static void Expose(float[] rgb, WorldRandom rng)
    {
        float gain = rng.Uniform(.90f, 1.10f), contrast = rng.Uniform(.90f, 1.10f);
        Vector3 channel = gain * new Vector3(rng.Uniform(.95f, 1.05f), rng.Uniform(.95f, 1.05f), rng.Uniform(.95f, 1.05f));
        for (int i = 0; i < rgb.Length; i++) rgb[i] = Math.Clamp(.5f + contrast * (rgb[i] * channel[i % 3] - .5f), 0, 1);
    }
}
