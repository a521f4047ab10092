using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Data.World;
using IlgpuDiffusion.Tensors;
using IlgpuDiffusion.Tensors.Rng;
using IlgpuDiffusion.Training.People;

namespace IlgpuDiffusion.Training.Evaluators;

/// The pictures of a step: all people's first pictures, then all people's second ones, and so on. A function of (recipe, step) alone.
sealed class ContrastBatch
{
    const uint PeopleStream = 1, PictureStream = 2;

    readonly int size;
    readonly ulong seed;
    readonly long step;

    public ContrastBatch(PeopleSet set, ContrastRecipe recipe, int size, long step)
    {
        this.size = size;
        seed = recipe.Seed;
        this.step = step;
        Person[] people = set.Batch(new RngStream(recipe.Seed, PeopleStream, (ulong)step), recipe.People, recipe.RealShare);
        // A permutation of each person's pictures, of which the first few are taken: they differ.
        int[][] orders =
        [
            .. people.Select((person, i) => new RngStream(recipe.Seed, PictureStream, ((ulong)step * (ulong)recipe.People) + (ulong)i).Permutation(person.Pictures.Count)),
        ];
        Pictures = [.. Enumerable.Range(0, recipe.Pictures).SelectMany(k => people.Select((person, i) => person.Pictures[orders[i][k % orders[i].Length]]))];
    }

    public IReadOnlyList<PersonPicture> Pictures { get; }

    /// (N, size, size, 3), each picture changed by chance; another `view` is changed otherwise.
    public Tensor Augmented(Tape tape, int view = 0)
    {
        int each = size * size * 3;
        float[] values = new float[Pictures.Count * each];
        Parallel.For(0, Pictures.Count, i =>
        {
            WorldRandom rng = WorldRandom.Stream((long)(seed * 0x5851F42D4C957F2D) + (step * Pictures.Count) + i, 20 + view);
            Augmentation.Apply(Pictures[i].Rgb, size, rng, values.AsSpan(i * each, each));
        });
        return tape.From(values, [Pictures.Count, size, size, 3]);
    }
}
