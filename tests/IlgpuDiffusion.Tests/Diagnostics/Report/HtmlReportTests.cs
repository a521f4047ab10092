using System.Text.RegularExpressions;
using IlgpuDiffusion.Diagnostics.Report;
using SkiaSharp;

namespace IlgpuDiffusion.Tests.Diagnostics.Report;

public sealed class HtmlReportTests
{
    static readonly PersonalizationReport Full = new()
    {
        Title = "Alice <script>alert('t')</script> & co",
        Subtitle = "on \"two\" cores",
        PhotoPng = Png(64, 64),
        Pictures =
        [
            new("a photo of [V] <img src=x onerror=alert(1)>", Png(64, 64), Png(64, 64)),
            new("\" onload=\"alert(2)", Png(64, 64), Png(64, 64)),
        ],
        LossCurve = [CurveSeries.FromValues("loss</text><script>", [3, 2, 1])],
        Numbers = [new("similarity <b>", 0.4, 0.7, HigherIsBetter: true), new("loss", 0.1, 0.2, HigherIsBetter: false), new("size", 1, 2)],
        Phases = [("crop <i>", 0.04), ("tune", 200)],
        Files = [("a<b>.safetensors", 104_312)],
        Settings = [("rank <u>", "8 <u>")],
    };

    [Fact]
    public void Everything_from_outside_is_escaped()
    {
        string html = HtmlReport.Build(Full);

        string[] forbidden = ["<script", "<img src=x", "onload=\"alert", "<i>", "<b>", "<u>"];
        Assert.All(forbidden, f => Assert.DoesNotContain(f, html));
        Assert.Contains("Alice &lt;script&gt;", html);
    }

    [Fact]
    public void Nothing_is_fetched_from_anywhere()
    {
        string html = HtmlReport.Build(Full);

        Assert.All(Regex.Matches(html, @"\bsrc=""([^""]*)""").Select(m => m.Groups[1].Value), src => Assert.StartsWith("data:image/png;base64,", src));
        Assert.DoesNotMatch(@"<link|@import|url\(|\bhref=", html);
        Assert.Contains("default-src 'none'", html);
        Assert.Equal(5, Regex.Count(html, "<img "));
    }

    [Fact]
    public void Small_pictures_are_enlarged_by_whole_factors_and_large_ones_fitted()
    {
        string small = HtmlReport.Build(new() { Title = "t", PhotoPng = Png(64, 64) });
        Assert.Contains("class=\"pixels\" width=\"192\"", small);

        string large = HtmlReport.Build(new() { Title = "t", PhotoPng = Png(512, 512) });
        Assert.Contains("<img width=\"344\"", large);
    }

    [Fact]
    public void Empty_parts_leave_their_sections_out()
    {
        string html = HtmlReport.Build(new() { Title = "t", PhotoPng = Png(64, 64) });

        Assert.DoesNotContain("<section", html);
        Assert.Equal(6, Regex.Count(HtmlReport.Build(Full), "<section"));
    }

    [Fact]
    public void A_change_is_good_or_bad_only_where_a_direction_is_better()
    {
        string html = HtmlReport.Build(Full);

        Assert.Contains("class=\"n good\">+0.3<", html);
        Assert.Contains("class=\"n bad\">+0.1<", html);
        Assert.Contains("class=\"n\">+1<", html);
        Assert.Contains("101.9 KiB", html);
        Assert.Contains("3 min 20 s", html);
    }

    [Fact]
    public void A_picture_that_is_not_a_png_is_refused() =>
        Assert.Contains("not a PNG", Assert.Throws<IlgdException>(() => HtmlReport.Build(Full with { PhotoPng = [1, 2, 3] })).Message);

    static byte[] Png(int width, int height)
    {
        using SKBitmap bitmap = new(width, height);
        using SKData data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return data.ToArray();
    }
}
