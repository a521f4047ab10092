using IlgpuDiffusion.Data.World;

namespace IlgpuDiffusion.Tests.Data.World;

public class RendererTests
{
    static float[] Render(long seed, FaceContext context, int size = 64) => FaceRenderer.Render(FaceIdentity.Sample(seed), FaceNuisance.Plain, context, size);

    static float Difference(float[] a, float[] b) => a.Zip(b, (x, y) => MathF.Abs(x - y)).Average();

    [Fact]
    public void The_same_seed_draws_the_same_picture_on_every_thread()
    {
        WorldDataset world = new();
        float[][] once = [.. Enumerable.Range(0, 16).Select(i => world.Sample(5000 + i, 7).Image)];
        float[][] again = [.. Enumerable.Range(0, 16).AsParallel().AsOrdered().Select(i => world.Sample(5000 + i, 7).Image)];
        for (int i = 0; i < 16; i++) Assert.Equal(once[i], again[i]);
    }

    [Fact]
    public void Values_lie_between_0_and_1_for_sampled_people_contexts_and_chance()
    {
        WorldDataset world = new(identities: 50);
        for (int i = 0; i < 200; i++)
        {
            float[] image = world.Sample(i, 1).Image;
            Assert.Equal(3 * 64 * 64, image.Length);
            Assert.All(image, v => Assert.InRange(v, 0f, 1f));
        }
    }

    [Fact]
    public void An_identity_is_a_function_of_its_seed_and_others_look_different()
    {
        Assert.Equal(FaceIdentity.Sample(12), FaceIdentity.Sample(12));
        float[][] faces = [.. Enumerable.Range(0, 30).Select(i => Render(i, new()))];
        for (int i = 0; i < faces.Length; i++)
            for (int j = 0; j < i; j++) Assert.True(Difference(faces[i], faces[j]) > .01f, $"identities {j} and {i} look alike");
    }

    public static TheoryData<string, FaceContext, float> Contexts()
    {
        TheoryData<string, FaceContext, float> data = [];
        foreach (Expression e in Enum.GetValues<Expression>().Skip(1)) data.Add(e.ToString(), new(Expression: e), .002f);
        foreach (Accessory a in Enum.GetValues<Accessory>().Skip(1)) data.Add(a.ToString(), new(Accessory: a), .005f);
        foreach (Background b in Enum.GetValues<Background>().Skip(1)) data.Add(b.ToString(), new(Background: b), .05f);
        foreach (Style s in Enum.GetValues<Style>().Skip(1)) data.Add(s.ToString(), new(Style: s), .02f);
        return data;
    }

    [Theory, MemberData(nameof(Contexts))]
    public void Every_context_changes_the_picture_visibly(string name, FaceContext context, float floor)
    {
        for (int seed = 0; seed < 12; seed++)
        {
            float difference = Difference(Render(seed, new()), Render(seed, context));
            Assert.True(difference > floor, $"{name} changes identity {seed} by {difference}, floor {floor}");
        }
    }

    [Fact]
    public void A_large_picture_shows_the_same_face_as_a_small_one()
    {
        for (int seed = 0; seed < 6; seed++)
        {
            float[] small = Render(seed, new()), large = Render(seed, new(), 256);
            float[] reduced = new float[small.Length];
            for (int y = 0; y < 256; y++)
                for (int x = 0; x < 256; x++)
                    for (int c = 0; c < 3; c++) reduced[3 * (y / 4 * 64 + x / 4) + c] += large[3 * (y * 256 + x) + c] / 16;
            Assert.True(Difference(small, reduced) < .02f, $"identity {seed}: {Difference(small, reduced)}");
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    public void A_picture_too_small_for_a_face_is_refused_with_its_size(int size)
    {
        IlgdException error = Assert.Throws<IlgdException>(() => Render(1, new(), size));
        Assert.Contains(size.ToString(), error.Message);
    }
}
