using System.Globalization;
using System.Net;
using System.Text;

namespace IlgpuDiffusion.Diagnostics.Profiling;

/// A roofline (Williams, Waterman and Patterson 2009): each operation at its flops a byte and its flops a second, under the machine's measured limits. A circle's area is the share of the time.
/// Operations without flops, copies, are not in it.
public static class RooflineSvg
{
    const double Width = 760, Height = 460, Left = 64, Right = 24, Top = 44, Bottom = 46;
    const int Labels = 10;

    internal const string Style = """
        .chart{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;--ink:#1c2430;--dim:#667085;--grid:#e6e8ec;--s0:#2563eb;--s1:#dd5a14;--s2:#0d9373;--s3:#9141d6;--s4:#c0317f;--s5:#5d6b7e}
        @media(prefers-color-scheme:dark){.chart{--ink:#e7eaf0;--dim:#98a2b3;--grid:#2b323d;--s0:#6ea2ff;--s1:#ff9657;--s2:#3fcfa8;--s3:#c08bff;--s4:#f477b3;--s5:#a4b0c0}}
        .chart text{fill:var(--dim)}.chart .title{fill:var(--ink);font-size:14px;font-weight:600}.chart .key{fill:var(--ink)}.chart .grid{stroke:var(--grid)}
        .chart .roof{fill:none;stroke:var(--s1);stroke-width:2}.chart .dot{fill:var(--s0);fill-opacity:.45;stroke:var(--s0)}
        """;

    public static string Render(Profile profile)
    {
        ProfileRow[] rows = [.. profile.Operations.Where(r => r is { Flops: > 0, Bytes: > 0, Seconds: > 0 })];
        MachineRoof roof = profile.Roof;
        (int lowX, int highX) = Decades([.. rows.Select(r => (double)r.Flops / r.Bytes), roof.Ridge]);
        (int lowY, int highY) = Decades([.. rows.Select(r => r.FlopsPerSecond), roof.FlopsPerSecond]);
        double X(double intensity) => Left + ((Math.Log10(intensity) - lowX) / (highX - lowX) * (Width - Left - Right));
        double Y(double speed) => Height - Bottom - ((Math.Log10(speed) - lowY) / (highY - lowY) * (Height - Top - Bottom));

        StringBuilder svg = new();
        CultureInfo culture = CultureInfo.InvariantCulture;
        svg.Append(culture, $"""<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {Height}" role="img" aria-label="roofline"><style>{Style}</style>""");
        svg.Append(culture, $"""<text class="title" x="{Left}" y="20">Roofline on {Escape(profile.Device)}: {roof.FlopsPerSecond / 1e9:N0} GFLOP/s, {roof.BytesPerSecond / 1e9:N1} GB/s measured</text>""");
        for (int decade = lowX; decade <= highX; decade++)
        {
            double x = X(Math.Pow(10, decade));
            svg.Append(culture, $"""<line class="grid" x1="{x:0.#}" x2="{x:0.#}" y1="{Top}" y2="{Height - Bottom}"/><text x="{x:0.#}" y="{Height - Bottom + 16}" text-anchor="middle">{Math.Pow(10, decade):G4}</text>""");
        }

        for (int decade = lowY; decade <= highY; decade++)
        {
            double y = Y(Math.Pow(10, decade));
            svg.Append(culture, $"""<line class="grid" x1="{Left}" x2="{Width - Right}" y1="{y:0.#}" y2="{y:0.#}"/><text x="{Left - 6}" y="{y + 4:0.#}" text-anchor="end">{Math.Pow(10, decade - 9):G4}</text>""");
        }

        svg.Append(culture, $"""<text x="{Width - Right}" y="{Height - 8}" text-anchor="end">flops a byte</text><text x="{Left - 50}" y="{Top - 8}">GFLOP/s</text>""");
        // The slope meets the bottom or the left border, whichever comes first.
        double start = Math.Max(Math.Pow(10, lowX), Math.Pow(10, lowY) / roof.BytesPerSecond);
        svg.Append(culture, $"""<polyline class="roof" points="{X(start):0.#},{Y(start * roof.BytesPerSecond):0.#} {X(roof.Ridge):0.#},{Y(roof.FlopsPerSecond):0.#} {Width - Right},{Y(roof.FlopsPerSecond):0.#}"/>""");
        for (int i = 0; i < rows.Length; i++)
        {
            ProfileRow r = rows[i];
            double x = X((double)r.Flops / r.Bytes), y = Y(r.FlopsPerSecond), radius = 3 + (28 * Math.Sqrt(Math.Min(1, r.Share)));
            svg.Append(culture, $"""<circle class="dot" cx="{x:0.#}" cy="{y:0.#}" r="{radius:0.#}"><title>{Escape(r.Operation)}: {r.FlopsPerSecond / 1e9:N2} GFLOP/s, {r.Share:P1} of the time, {r.ShareOfRoof:P0} of the roof</title></circle>""");
            if (i < Labels)
                svg.Append(culture, $"""<text class="key" x="{x + radius + 3:0.#}" y="{y + 4:0.#}">{Escape(r.Operation)}</text>""");
        }

        return svg.Append("</svg>").ToString();
    }

    internal static string Escape(string text) => WebUtility.HtmlEncode(text);

    // Whole decades around the values, at least one.
    static (int Low, int High) Decades(double[] values)
    {
        int low = (int)Math.Floor(Math.Log10(values.Min())), high = (int)Math.Ceiling(Math.Log10(values.Max() * 1.01));
        return (low, Math.Max(high, low + 1));
    }
}
