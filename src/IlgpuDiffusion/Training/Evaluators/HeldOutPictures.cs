using IlgpuDiffusion.Data;
using IlgpuDiffusion.Data.World;
using IlgpuDiffusion.Training.People;

namespace IlgpuDiffusion.Training.Evaluators;

/// Pictures of people that no training sees, for measuring what a network has learned. Bytes as in training.
static class HeldOutPictures
{
    /// Rendered person i in a context, by chance `take`.
    public static byte[] Rendered(int i, FaceContext context, int take, int size)
    {
        WorldRandom rng = WorldRandom.Stream(WorldDataset.HeldOutSeed(i), 30 + take);
        return PeopleSet.Bytes(FaceRenderer.Render(FaceIdentity.Sample(WorldDataset.HeldOutSeed(i)), FaceNuisance.Sample(rng), context, size));
    }

    /// A context as training has them, with or without a style.
    public static FaceContext Context(int i, int take, bool styled)
    {
        WorldRandom rng = WorldRandom.Stream(WorldDataset.HeldOutSeed(i), 60 + take);
        FaceContext context = FaceContext.Sample(rng);
        return context with { Style = styled ? FaceContext.SampleStyle(rng, 1) : Style.None };
    }

    public static byte[] Real(Photo photo, int size) =>
        PeopleSet.Bytes(Resample.Resize(photo.Rgb, PhotoSet.MasterSize, PhotoSet.MasterSize, 3, size, size, ResampleFilter.Box));

    /// The neutral and the smiling photograph of each held-out person who has both, in order of name; without photographs, nobody.
    public static IReadOnlyList<(Photo Neutral, Photo Smiling)> Pairs(PhotoSet? photos) =>
    [
        .. from person in (photos?.HeldOut ?? []).GroupBy(p => p.Subject).OrderBy(g => g.Key, StringComparer.Ordinal)
           let neutral = person.FirstOrDefault(p => p.Expression == Expression.Neutral)
           let smiling = person.FirstOrDefault(p => p.Expression == Expression.Smiling)
           where neutral is not null && smiling is not null
           select (neutral, smiling),
    ];
}
