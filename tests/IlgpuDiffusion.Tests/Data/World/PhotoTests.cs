using System.Numerics;
using IlgpuDiffusion.Data.World;
using IlgpuDiffusion.Tests.Fixtures;

namespace IlgpuDiffusion.Tests.Data.World;

public class PhotoTests
{
    /// A "photograph": a rendered person before a plain light grey wall.
    static Photo Drawn(int seed, string subject)
    {
        float[] rgb = FaceRenderer.Render(FaceIdentity.Sample(seed), FaceNuisance.Plain, new(), PhotoSet.MasterSize);
        return new Photo($"{subject}.png", subject, true, Expression.Neutral, rgb, Matte.Key(rgb, PhotoSet.MasterSize, PhotoSet.MasterSize));
    }

    [Fact]
    public void Eyes_land_at_a_quarter_left_and_right_whatever_the_photograph()
    {
        Vector2 left = new(40, 50), right = new(75, 58);
        Matrix3x2 map = PhotoAlignment.FromEyes(left, right);
        Assert.True(Vector2.Distance(left, Vector2.Transform(new Vector2(-.25f, -.05f), map)) < 1e-3f);
        Assert.True(Vector2.Distance(right, Vector2.Transform(new Vector2(.25f, -.05f), map)) < 1e-3f);
    }

    [Fact]
    public void An_area_resize_keeps_the_mean()
    {
        WorldRandom rng = new(1);
        float[] source = [.. Enumerable.Range(0, 128 * 128 * 3).Select(_ => rng.Uniform())];
        float[] small = PhotoAlignment.Resample(source, 128, 128, 3, PhotoAlignment.Centred(128, 128), 32);
        Assert.Equal(source.Average(), small.Average(), 3);
        Assert.Equal(source.Take(1).Average(), PhotoAlignment.Resample(source, 128, 128, 3, PhotoAlignment.Centred(128, 128), 128)[0], 5);
    }

    [Fact]
    public void Keying_keeps_the_face_and_drops_the_wall()
    {
        Matte matte = Drawn(3, "x/1").Matte!;
        int n = PhotoSet.MasterSize;
        Assert.Equal(1, matte.Alpha[n / 2 * n + n / 2]);
        Assert.Equal(0, matte.Alpha[2 * n + 2]);
        Assert.Equal(0, matte.Alpha[2 * n + n - 3]);
        Assert.InRange(matte.Alpha.Average(), .25f, .75f);
    }

    [Theory]
    [InlineData(Accessory.RedHat, Background.Plain)]
    [InlineData(Accessory.Glasses, Background.Plain)]
    [InlineData(Accessory.BlueScarf, Background.Plain)]
    [InlineData(Accessory.None, Background.Beach)]
    [InlineData(Accessory.None, Background.Forest)]
    [InlineData(Accessory.None, Background.City)]
    [InlineData(Accessory.None, Background.Snow)]
    public void Compositing_shows_and_leaves_the_middle_of_the_face(Accessory accessory, Background background)
    {
        Photo photo = Drawn(5, "x/1");
        int n = PhotoSet.MasterSize;
        float[] result = PhotoCompositor.Compose(photo.Rgb, photo.Matte, n, new(Accessory: accessory, Background: background), Pose.Identity, 1, null, new(-.4f, -.5f));
        Assert.True(result.Zip(photo.Rgb, (a, b) => MathF.Abs(a - b)).Average() > .005f);
        int nose = 3 * ((int)(.60f * n) * n + n / 2);
        for (int c = 0; c < 3; c++) Assert.Equal(photo.Rgb[nose + c], result[nose + c], 2);
    }

    [Fact]
    public void A_background_cannot_be_replaced_without_a_matte()
    {
        Photo photo = Drawn(5, "x/1");
        Assert.Throws<IlgdException>(() =>
            PhotoCompositor.Compose(photo.Rgb, null, PhotoSet.MasterSize, new(Background: Background.Snow), Pose.Identity, 1, null, Vector2.Zero));
    }

    [Fact]
    public void Augmented_samples_repeat_and_stay_in_range()
    {
        PhotoDataset photos = new([Drawn(1, "x/1"), Drawn(2, "x/2")]);
        for (int i = 0; i < 40; i++)
        {
            PhotoSample sample = photos.Sample(i, 4);
            Assert.Equal(sample.Image, photos.Sample(i, 4).Image);
            Assert.Equal(sample.Caption, photos.Sample(i, 4).Caption);
            Assert.All(sample.Image, v => Assert.InRange(v, 0f, 1f));
        }
    }

    [Fact]
    public void Few_smiles_among_many_photographs_come_often_and_are_always_said()
    {
        Photo[] unnamed = [.. Enumerable.Range(0, 8).Select(i => Drawn(i, $"x/{i}") with { Expression = null })];
        PhotoDataset photos = new([Drawn(20, "y/1") with { Expression = Expression.Smiling }, Drawn(21, "y/2"), .. unnamed], size: 16);
        PhotoSample[] samples = [.. Enumerable.Range(photos.Count, 400).Select(i => photos.Sample(i, 4))];
        Assert.InRange(samples.Count(s => s.Photo.Expression == Expression.Smiling), 100, 180);
        Assert.All(samples, s => Assert.Equal(s.Photo.Expression == Expression.Smiling, s.Caption.Contains("smiling", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_held_out_person_cannot_enter_training()
    {
        Assert.Equal(24, HeldOutPeople.London.Distinct().Count());
        string subject = "london-faces/" + HeldOutPeople.London[0];
        IlgdException error = Assert.Throws<IlgdException>(() => new PhotoDataset([Drawn(1, subject)]));
        Assert.Contains(subject, error.Message);
    }

    [Fact, Trait("Category", "Fixtures")]
    public void The_shared_photographs_load_aligned_keyed_and_split()
    {
        string folder = Path.GetDirectoryName(Shared.Require("data", "london-faces"))!;
        PhotoSet set = PhotoSet.Load(folder, "london-faces", "portraits-inter-faces");

        Assert.NotEmpty(set.Training);
        Assert.All(set.HeldOut, p => Assert.True(HeldOutPeople.Contains(p.Subject)));
        Assert.Empty(set.Training.Select(p => p.Subject).Intersect(set.HeldOut.Select(p => p.Subject)));
        foreach (Photo photo in set.Training.Concat(set.HeldOut))
        {
            Assert.Equal(3 * PhotoSet.MasterSize * PhotoSet.MasterSize, photo.Rgb.Length);
            Assert.Equal(photo.Subject.StartsWith("london", StringComparison.Ordinal), photo.Matte is not null);
            if (photo.Matte is { } matte) Assert.InRange(matte.Alpha.Average(), .25f, .85f);
        }
    }
}
