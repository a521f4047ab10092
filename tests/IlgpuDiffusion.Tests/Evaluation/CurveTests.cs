using IlgpuDiffusion.Evaluation;

namespace IlgpuDiffusion.Tests.Evaluation;

public class CurveTests
{
    // From (fidelity .2, prompt 1) at 0 s over (.6, .8) at 10 s to (.9, .4) at 40 s.
    static readonly Curve Falling = new("m", [new(0, 0.2, 1, null, 1, 0), new(10, 0.6, 0.8, null, 1, 10), new(40, 0.9, 0.4, null, 1, 40)]);

    [Theory]
    [InlineData(1, 0.2)]
    [InlineData(0.9, 0.4)]
    [InlineData(0.8, 0.6)]
    [InlineData(0.6, 0.75)]
    [InlineData(0.4, 0.9)]
    [InlineData(0.1, 0.9)]
    public void Fidelity_at_a_level_lies_on_the_line_between_two_points(double prompt, double fidelity) => Assert.Equal(fidelity, Falling.FidelityAt(prompt)!.Value, 1e-12);

    [Fact]
    public void A_level_that_is_never_reached_has_none() => Assert.Null(Falling.FidelityAt(1.01));

    // Fidelity .5 is reached at 7.5 s, where the prompt is followed to .85; .75 at 25 s, at .6.
    [Theory]
    [InlineData(0.5, 0.8, 7.5)]
    [InlineData(0.5, 0.9, null)]
    [InlineData(0.75, 0.6, 25.0)]
    [InlineData(0.95, 0, null)]
    [InlineData(0.1, 0.5, 0.0)]
    public void Seconds_to_a_fidelity_are_those_of_the_first_place_that_is_good_enough_in_both(double fidelity, double prompt, double? seconds)
    {
        double? found = Falling.SecondsTo(fidelity, prompt);
        Assert.Equal(seconds is null, found is null);
        if (seconds is { } s)
            Assert.Equal(s, found!.Value, 1e-9);
    }

    [Fact]
    public void One_point_and_points_without_a_judge()
    {
        Assert.Equal(0.5, new Curve("m", [new(3, 0.5, 0.7, null, null, 2)]).FidelityAt(0.6));
        Assert.Null(new Curve("m", [new(3, 0.5, null, null, null, 2), new(4, 0.5, null, null, null, 2)]).FidelityAt(0));
    }

    // The most on the way, not at the end: a method can come to its best and go on.
    [Fact]
    public void The_best_place_on_the_way_counts() =>
        Assert.Equal(0.7, new Curve("m", [new(0, 0.1, 0.9, null, 1, 0), new(1, 0.7, 0.8, null, 1, 1), new(2, 0.3, 0.8, null, 1, 2)]).FidelityAt(0.5));
}
