using IlgpuDiffusion.Tensors.Rng;

namespace IlgpuDiffusion.Tests.Tensors.Rng;

public sealed class RngStreamTests
{
    static readonly RngStream Stream = new(Seed: 42, Stream: 3, Step: 7);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(13)]
    [InlineData(16)]
    public void A_fill_may_be_split_anywhere(int cut)
    {
        float[] whole = new float[17];
        float[] parts = new float[17];
        Stream.FillNormal(whole, first: 5);
        Stream.FillNormal(parts.AsSpan(0, cut), first: 5);
        Stream.FillNormal(parts.AsSpan(cut), first: 5 + cut);
        Assert.Equal(whole, parts);
        for (int i = 0; i < whole.Length; i++)
            Assert.Equal(whole[i], Stream.Normal(5 + i));
    }

    [Fact]
    public void Seed_stream_and_step_each_change_everything()
    {
        RngStream[] others = [Stream with { Seed = 43 }, Stream with { Seed = 42UL + (1UL << 32) }, Stream with { Stream = 4 }, Stream with { Step = 8 }, Stream with { Step = 7 + (1UL << 32) }];
        foreach (RngStream other in others)
            Assert.True(Enumerable.Range(0, 100).All(i => other.Normal(i) != Stream.Normal(i)));
    }

    [Fact]
    public void Moments_and_neighbour_correlations_are_those_of_a_standard_normal()
    {
        float[] x = new float[200_000];
        Stream.FillNormal(x);
        double n = x.Length;
        double mean = x.Average(v => (double)v);
        double variance = x.Average(v => (double)v * v);
        double kurtosis = x.Average(v => Math.Pow(v, 4));
        double neighbours = x.Zip(x.Skip(1), (a, b) => (double)a * b).Average();
        // five standard deviations of each estimate
        Assert.InRange(mean, -5 / Math.Sqrt(n), 5 / Math.Sqrt(n));
        Assert.InRange(variance, 1 - 5 * Math.Sqrt(2 / n), 1 + 5 * Math.Sqrt(2 / n));
        Assert.InRange(kurtosis, 3 - 5 * Math.Sqrt(96 / n), 3 + 5 * Math.Sqrt(96 / n));
        Assert.InRange(neighbours, -5 / Math.Sqrt(n), 5 / Math.Sqrt(n));
    }

    [Fact]
    public void Uniforms_stay_below_one_and_integers_reach_both_ends()
    {
        float[] u = new float[100_000];
        Stream.FillUniform(u);
        Assert.True(u.All(v => v is >= 0 and < 1));
        Assert.InRange(u.Average(v => (double)v), 0.495, 0.505);
        int[] dice = [.. Enumerable.Range(0, 1000).Select(i => Stream.Integer(i, -2, 3))];
        Assert.Equal([-2, -1, 0, 1, 2], dice.Distinct().Order());
    }

    [Fact]
    public void A_permutation_holds_every_number_once()
    {
        int[] order = Stream.Permutation(1000);
        Assert.Equal(Enumerable.Range(0, 1000), order.Order());
        Assert.NotEqual(Enumerable.Range(0, 1000), order);
        Assert.Empty(Stream.Permutation(0));
    }

    [Fact]
    public void An_index_beyond_the_counter_is_refused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => Stream.Uniform(RngStream.MaxIndex + 1));
}
