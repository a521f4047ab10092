using IlgpuDiffusion.Data.World;

namespace IlgpuDiffusion.Tests.Data.World;

public class WorldDatasetTests
{
    [Fact]
    public void The_first_picture_of_every_identity_is_unstyled_and_later_ones_are_styled_at_times()
    {
        WorldDataset world = new(identities: 40, size: 8);
        Assert.All(Enumerable.Range(0, 40), i => Assert.Equal(Style.None, world.Sample(i, 2).Context.Style));
        Assert.Contains(Enumerable.Range(40, 40), i => world.Sample(i, 2).Context.Style != Style.None);
    }

    [Fact]
    public void Another_index_or_seed_gives_another_picture()
    {
        WorldDataset world = new();
        float[] picture = world.Sample(9000, 1).Image;
        Assert.NotEqual(picture, world.Sample(9000, 2).Image);
        Assert.NotEqual(picture, world.Sample(13000, 1).Image);
        Assert.Equal(world.Sample(9000, 1).IdentitySeed, world.Sample(13000, 1).IdentitySeed);
    }

    [Fact]
    public void Training_never_meets_a_held_out_identity()
    {
        WorldDataset world = new(size: 8);
        for (long i = 0; i < 10_000_000_000; i += 99_999_937) Assert.InRange(world.Sample(i, 3).IdentitySeed, 0, 3999);
        Assert.True(WorldDataset.HeldOutSeed(0) >= FaceIdentity.FirstHeldOut);
        Assert.Throws<IlgdException>(() => new WorldDataset((int)FaceIdentity.FirstHeldOut + 1));
    }

    [Fact]
    public void Contexts_come_in_the_written_shares()
    {
        FaceContext[] contexts = [.. Enumerable.Range(0, 8000).Select(i => FaceContext.Sample(WorldRandom.Stream(i, 50)))];
        Assert.InRange(contexts.Count(c => c.Expression == Expression.Neutral) / 8000f, .48f, .52f);
        Assert.InRange(contexts.Count(c => c.Accessory == Accessory.None) / 8000f, .62f, .66f);
        Assert.InRange(contexts.Count(c => c.Background == Background.Plain) / 8000f, .58f, .62f);
        Assert.InRange(contexts.Count(c => c.Style == Style.None) / 8000f, .53f, .57f);
    }
}
