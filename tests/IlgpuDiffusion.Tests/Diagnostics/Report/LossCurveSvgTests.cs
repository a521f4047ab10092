using System.Globalization;
using System.Xml.Linq;
using IlgpuDiffusion.Diagnostics.Report;

namespace IlgpuDiffusion.Tests.Diagnostics.Report;

public sealed class LossCurveSvgTests
{
    static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    [Fact]
    public void A_chart_is_well_formed_with_a_line_per_series_and_escaped_names()
    {
        XElement svg = Parse(LossCurveSvg.Render("loss <of> \"x\" & y",
            [CurveSeries.FromValues("a<b", [3, 2, 1]), CurveSeries.FromValues("prior", [1, 1, 1])]));

        Assert.Equal(2, svg.Elements(Svg + "polyline").Count());
        Assert.Equal("loss <of> \"x\" & y", svg.Attribute("aria-label")!.Value);
        Assert.Contains(svg.Descendants(Svg + "text"), t => t.Value.StartsWith("a<b", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(0.0312, 0.0317)]
    [InlineData(-5, 12345)]
    [InlineData(1e-9, 4e-9)]
    public void Ticks_are_few_even_and_inside_the_plot(double from, double to)
    {
        XElement svg = Parse(LossCurveSvg.Render("t", [CurveSeries.FromValues("s", [from, to])], window: 1));

        double[] heights = [.. svg.Elements(Svg + "line").Select(l => double.Parse(l.Attribute("y1")!.Value, CultureInfo.InvariantCulture))];
        Assert.InRange(heights.Length, 2, 8);
        Assert.All(heights, y => Assert.InRange(y, 48 - 0.1, 320 - 44 + 0.1));
        Assert.All(heights.Zip(heights.Skip(1)), pair => Assert.Equal(heights[0] - heights[1], pair.First - pair.Second, 0.11));
    }

    [Fact]
    public void Empty_constant_and_broken_series_still_make_a_chart()
    {
        XElement svg = Parse(LossCurveSvg.Render("t",
            [CurveSeries.FromValues("none", []), CurveSeries.FromValues("flat", [2, 2]), CurveSeries.FromValues("nan", [1, double.NaN, 3])]));

        Assert.DoesNotContain("NaN", svg.ToString());
        Assert.DoesNotContain("∞", svg.ToString());
        Assert.Equal(4, svg.Descendants(Svg + "circle").Count());
    }

    [Fact]
    public void A_point_that_is_alone_is_a_dot_and_no_line()
    {
        XElement svg = Parse(LossCurveSvg.Render("t", [CurveSeries.FromValues("one", [2]), CurveSeries.FromValues("two", [1, 3])]));

        Assert.Single(svg.Elements(Svg + "polyline"));
        Assert.Single(svg.Elements(Svg + "circle"));
    }

    [Fact]
    public void One_outlier_does_not_flatten_the_rest_and_long_runs_are_thinned()
    {
        double[] values = [.. Enumerable.Range(0, 20_000).Select(i => i % 2 == 0 ? 1.0 : 2.0)];
        values[777] = 1e6;
        XElement svg = Parse(LossCurveSvg.Render("t", [CurveSeries.FromValues("s", values)], window: 20_000));

        double[] heights = [.. svg.Descendants(Svg + "circle").Select(c => double.Parse(c.Attribute("cy")!.Value, CultureInfo.InvariantCulture))];
        Assert.InRange(heights.Length, 600, 1300);
        Assert.True(svg.ToString().Length < 150_000);
    }

    [Fact]
    public void The_average_is_centred_and_shorter_at_the_ends()
    {
        XElement svg = Parse(LossCurveSvg.Render("t", [CurveSeries.FromValues("s", [0, 3, 6, 9])], window: 2));

        // Windows [0], [0 3], [3 6], [6 9]: averages 0, 1.5, 4.5, 7.5; the legend states the last.
        Assert.Contains(svg.Descendants(Svg + "text"), t => t.Value == "s  7.5");
    }

    static XElement Parse(string svg) => XDocument.Parse(svg).Root!;
}
