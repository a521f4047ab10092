using IlgpuDiffusion.Data.World;

namespace IlgpuDiffusion.Tests.Data.World;

public class StyleFilterTests
{
    public static TheoryData<Style> Styles() => [.. Enum.GetValues<Style>()];

    [Theory, MemberData(nameof(Styles))]
    public void A_style_is_a_fixed_function_of_the_picture_and_leaves_its_argument(Style style)
    {
        FaceNuisance chance = FaceNuisance.Sample(new WorldRandom(3));
        float[] image = FaceRenderer.Render(FaceIdentity.Sample(4), chance, new()), before = [.. image];
        float[] once = StyleFilter.Apply(style, image, 64, 64);
        Assert.Equal(before, image);
        Assert.Equal(once, StyleFilter.Apply(style, image, 64, 64));
        // the renderer's styled picture is the filtered plain one: photographs get the same truth
        Assert.Equal(once, FaceRenderer.Render(FaceIdentity.Sample(4), chance, new(Style: style)));
        Assert.All(once, v => Assert.InRange(v, 0f, 1f));
    }

    [Theory, MemberData(nameof(Styles))]
    public void A_picture_need_not_be_square_or_a_multiple_of_anything(Style style) =>
        Assert.Equal(3 * 37 * 51, StyleFilter.Apply(style, new float[3 * 37 * 51], 37, 51).Length);

    [Fact]
    public void A_wrong_length_is_refused_with_both_numbers()
    {
        IlgdException error = Assert.Throws<IlgdException>(() => StyleFilter.Apply(Style.Neon, new float[10], 4, 4));
        Assert.Contains("10", error.Message);
        Assert.Contains("4x4", error.Message);
    }
}
