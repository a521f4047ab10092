using IlgpuDiffusion.Data.World;
using IlgpuDiffusion.Tensors.Rng;
using IlgpuDiffusion.Training.People;

namespace IlgpuDiffusion.Tests.Training.People;

public class PeopleSetTests
{
    const int Size = 32;

    static Photo Drawn(int seed, string subject)
    {
        float[] rgb = FaceRenderer.Render(FaceIdentity.Sample(seed), FaceNuisance.Plain, new(), PhotoSet.MasterSize);
        return new Photo($"{subject}.png", subject, true, Expression.Neutral, rgb, Matte.Key(rgb, PhotoSet.MasterSize, PhotoSet.MasterSize));
    }

    [Fact]
    public void People_are_a_pure_function_of_the_seed_and_begin_with_plain_photos()
    {
        Photo[] photos = [Drawn(1, "x/one"), Drawn(2, "x/two"), Drawn(1, "x/one")];
        PeopleSet set = PeopleSet.Make(4, 6, photos, 5, Size, seed: 3), again = PeopleSet.Make(4, 6, photos, 5, Size, seed: 3);
        Assert.Equal(["0", "1", "2", "3"], set.Rendered.Select(p => p.Name));
        Assert.Equal(["one", "two"], set.Real.Select(p => p.Name));
        Assert.Equal([6, 6, 6, 6, 5, 5], set.Rendered.Concat(set.Real).Select(p => p.Pictures.Count));
        Assert.All(set.Rendered.Concat(set.Real), p => Assert.All(p.Pictures.Take(PeopleSet.Photos), x => Assert.Equal(new FaceContext(), x.Context)));
        Assert.All(set.Rendered.Zip(again.Rendered), p => Assert.Equal(p.First.Pictures.Select(x => x.Rgb), p.Second.Pictures.Select(x => x.Rgb)));
        Assert.All(set.Real.Zip(again.Real), p => Assert.Equal(p.First.Pictures.Select(x => x.Rgb), p.Second.Pictures.Select(x => x.Rgb)));
        Assert.NotEqual(set.Rendered[0].Pictures[0].Rgb, PeopleSet.Make(1, 6, [], 0, Size, seed: 4).Rendered[0].Pictures[0].Rgb);
    }

    [Fact]
    public void A_prompt_names_the_person_and_everything_else_that_is_shown()
    {
        foreach (PersonPicture picture in PeopleSet.Make(40, 6, [], 0, Size, seed: 1).Rendered.SelectMany(p => p.Pictures))
        {
            Assert.Contains("[V]", picture.Prompt);
            Assert.Equal(picture.Context.Accessory == Accessory.RedHat, picture.Prompt.Contains("red hat"));
            Assert.Equal(picture.Context.Expression == Expression.Smiling, picture.Prompt.Contains("smiling"));
            Assert.Equal(picture.Context.Background == Background.Snow, picture.Prompt.Contains("snow"));
            Assert.Equal(picture.Context.Style == Style.PopArt, picture.Prompt.Contains("pop art"));
        }
    }

    [Fact]
    public void People_who_are_held_out_are_refused()
    {
        string kept = $"london-faces/{HeldOutPeople.London[0]}";
        Assert.Contains("held out", Assert.Throws<IlgdException>(() => PeopleSet.Make(1, 2, [Drawn(1, kept)], 2, Size, seed: 1)).Message);
    }

    [Fact]
    public void A_batch_has_different_people_and_the_asked_share_of_real_ones()
    {
        PeopleSet set = PeopleSet.Make(12, 2, [Drawn(1, "x/one"), Drawn(2, "x/two"), Drawn(3, "x/three")], 2, Size, seed: 1);
        for (ulong step = 0; step < 20; step++)
        {
            Person[] batch = set.Batch(new RngStream(5, 1, step), 8, 0.25);
            Assert.Equal(8, batch.Distinct().Count());
            Assert.Equal(2, batch.Count(p => p.Real));
        }

        Assert.Contains("12", Assert.Throws<IlgdException>(() => set.Batch(new RngStream(5, 1, 0), 20, 0)).Message);
    }
}
