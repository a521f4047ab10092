using IlgpuDiffusion.Data.World;
using IlgpuDiffusion.Tensors.Rng;

namespace IlgpuDiffusion.Training.People;

/// People with several pictures each: what is trained to tell persons apart, or to draw one, needs to know who is in a picture. In memory.
public sealed class PeopleSet
{
    /// Plain pictures that every person begins with: no accessory, no scene, no style.
    public const int Photos = 2;

    const string Someone = "a [V] face";

    PeopleSet(IReadOnlyList<Person> people, int size)
    {
        Size = size;
        Rendered = [.. people.Where(p => !p.Real)];
        Real = [.. people.Where(p => p.Real)];
    }

    /// Pixels a side of every picture.
    public int Size { get; }

    public IReadOnlyList<Person> Rendered { get; }

    public IReadOnlyList<Person> Real { get; }

    /// Rendered people first.
    public IEnumerable<Person> Everybody => Rendered.Concat(Real);

    /// `rendered`: how many people of the drawn world, from seed `first` on   `photos`: of real people, or none   `each`, `eachReal`: pictures of every person.
    /// A pure function of its arguments.
    public static PeopleSet Make(int rendered, int each, IReadOnlyList<Photo> photos, int eachReal, int size, long seed, long first = 0)
    {
        Person[] people = new Person[rendered];
        Parallel.For(0, rendered, i => people[i] = Render(first + i, each, size, seed));
        if (photos.Count == 0)
            return new PeopleSet(people, size);
        PhotoDataset dataset = new(photos, size);
        Photo[][] subjects = [.. photos.GroupBy(p => p.Subject).OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => g.ToArray())];
        Person[] real = new Person[subjects.Length];
        Parallel.For(0, subjects.Length, i => real[i] = Photograph(dataset, subjects[i], i, eachReal, seed));
        return new PeopleSet([.. people, .. real], size);
    }

    /// `count` different people for a step, the first `realShare` of them real ones.
    public Person[] Batch(RngStream rng, int count, double realShare)
    {
        int real = Math.Min(Real.Count, (int)Math.Round(count * realShare));
        if (count - real > Rendered.Count)
            throw new IlgdException($"a batch of {count} people needs {count - real} rendered ones; the set has {Rendered.Count}: render more people");
        return [.. Pick(Real, real, 0), .. Pick(Rendered, count - real, 1 << 20)];

        // Draws until somebody new comes: batches are much smaller than the set.
        IEnumerable<Person> Pick(IReadOnlyList<Person> from, int wanted, long draw)
        {
            HashSet<int> chosen = [];
            while (chosen.Count < wanted)
            {
                int person = rng.Integer(draw++, 0, from.Count);
                if (chosen.Add(person))
                    yield return from[person];
            }
        }
    }

    static Person Render(long identitySeed, int pictures, int size, long seed)
    {
        FaceIdentity identity = FaceIdentity.Sample(identitySeed);
        return new Person($"{identitySeed}", false, [.. Enumerable.Range(0, pictures).Select(Picture)]);

        PersonPicture Picture(int k)
        {
            WorldRandom rng = WorldRandom.Stream((seed * 0x5851F42D4C957F2DL) + (identitySeed * 0x9E3779B9L) + k, 7);
            FaceContext context = k < Photos ? new FaceContext() : FaceContext.Sample(rng);
            float[] rgb = FaceRenderer.Render(identity, FaceNuisance.Sample(rng), context, size);
            return new PersonPicture(Bytes(rgb), context, Captions.For(identity, context, rng), Captions.ForPerson(Someone, context, rng));
        }
    }

    static Person Photograph(PhotoDataset dataset, Photo[] photos, int number, int pictures, long seed)
    {
        string subject = photos[0].Subject;
        return new Person(subject[(subject.LastIndexOf('/') + 1)..], true, [.. Enumerable.Range(0, pictures).Select(Picture)]);

        PersonPicture Picture(int k)
        {
            WorldRandom rng = WorldRandom.Stream((seed * 0x5851F42D4C957F2DL) + (number * 0x9E3779B9L) + k, 8);
            Photo photo = photos[k % photos.Length];
            PhotoSample sample = dataset.Sample(photo, k < Photos ? new FaceContext() : PhotoDataset.SampleContext(photo, rng), rng);
            return new PersonPicture(Bytes(sample.Image), sample.Context, sample.Caption, Captions.ForPerson(Someone, sample.Context, rng));
        }
    }

    internal static byte[] Bytes(float[] rgb) => Array.ConvertAll(rgb, v => (byte)Math.Clamp((v * 255) + 0.5f, 0, 255));
}
