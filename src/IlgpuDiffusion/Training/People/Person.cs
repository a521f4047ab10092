using IlgpuDiffusion.Data.World;

namespace IlgpuDiffusion.Training.People;

/// One picture of a person, square RGB bytes (H, W, 3). Caption: as for any face; Prompt: the same said of `[V]`.
public sealed record PersonPicture(byte[] Rgb, FaceContext Context, string Caption, string Prompt)
{
    /// Writes the picture as values in [−1, 1], channels-last.
    public void CopyTo(Span<float> destination)
    {
        for (int i = 0; i < Rgb.Length; i++)
            destination[i] = (Rgb[i] / 127.5f) - 1;
    }
}

/// Somebody with several pictures; the first <see cref="PeopleSet.Photos"/> are plain ones, as a user's photo is. Name: the seed of a rendered person, the number of a real one.
public sealed record Person(string Name, bool Real, IReadOnlyList<PersonPicture> Pictures);
