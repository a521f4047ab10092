using System.Net;
using System.Text;

namespace IlgpuDiffusion.Diagnostics.Report;

/// One line of a chart: values at steps, steps ascending. Values that are not finite are left out.
public sealed record CurveSeries(string Name, IReadOnlyList<(double Step, double Value)> Points)
{
    /// Values at steps 0, 1, 2, …
    public static CurveSeries FromValues(string name, IEnumerable<double> values) => new(name, [.. values.Select((v, i) => ((double)i, v))]);
}

/// A line chart as one SVG, light or dark as its reader prefers: raw points faint, their centred moving average as a line; a point that is alone is a dot. The legend
/// states where each average ended. The value axis holds the averages and the middle 96 % of the points; the few points beyond sit on
/// its border, so that one outlier does not flatten the rest.
public static class LossCurveSvg
{
    const double Left = 60, Right = 18, Bottom = 44, FirstKey = 36, KeyLine = 16, UnderKeys = 12;
    const int MostDots = 1200, MostVertices = 600, ColourCount = 6;

    const string Style = """
        .curve{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;--ink:#1c2430;--dim:#667085;--grid:#e6e8ec;
        --s0:#2563eb;--s1:#dd5a14;--s2:#0d9373;--s3:#9141d6;--s4:#c0317f;--s5:#5d6b7e}
        @media(prefers-color-scheme:dark){.curve{--ink:#e7eaf0;--dim:#98a2b3;--grid:#2b323d;
        --s0:#6ea2ff;--s1:#ff9657;--s2:#3fcfa8;--s3:#c08bff;--s4:#f477b3;--s5:#a4b0c0}}
        .curve text{fill:var(--dim)}.curve .title{fill:var(--ink);font-size:14px;font-weight:600}.curve .key{fill:var(--ink)}
        .curve .grid{stroke:var(--grid)}.curve .mean{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
        .curve .raw{fill-opacity:.28}
        """;

    /// `window`: steps of the moving average; by default a twentieth of the points.
    public static string Render(
        string title, IReadOnlyList<CurveSeries> series, int? window = null, string xLabel = "step", int width = 760, int height = 320)
    {
        (double Step, double Value)[][] raw = [.. series.Select(s => s.Points.Where(p => double.IsFinite(p.Value)).ToArray())];
        (double Step, double Value)[][] mean = [.. raw.Select(points => MovingAverage(points, window ?? Math.Max(1, points.Length / 20)))];
        (double Min, double Max) steps = Padded(raw.SelectMany(p => p).Select(p => p.Step), 0);
        (double Min, double Max) values = Padded([.. raw.SelectMany(Middle), .. mean.SelectMany(p => p).Select(p => p.Value)], 0.04);

        (string Text, double X, double Y)[] keys = [.. Keys(series, mean, width)];
        double top = keys.Select(k => k.Y).DefaultIfEmpty(FirstKey).Last() + UnderKeys;
        double X(double step) => Left + (step - steps.Min) / (steps.Max - steps.Min) * (width - Left - Right);
        double Y(double value) =>
            height - Bottom - (Math.Clamp(value, values.Min, values.Max) - values.Min) / (values.Max - values.Min) * (height - top - Bottom);

        StringBuilder svg = new();
        svg.Append($"""<svg class="curve" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{Escape(title)}">""");
        svg.Append($"<style>{Style}</style>");
        svg.Append($"""<text class="title" x="{Left}" y="20">{Escape(title)}</text>""");
        foreach ((double value, string label) in Ticks(values.Min, values.Max, 5))
        {
            svg.Append($"""<line class="grid" x1="{Left}" x2="{width - Right}" y1="{Y(value):0.#}" y2="{Y(value):0.#}"/>""");
            svg.Append($"""<text x="{Left - 8}" y="{Y(value) + 4:0.#}" text-anchor="end">{label}</text>""");
        }
        foreach ((double step, string label) in Ticks(steps.Min, steps.Max, 8))
            svg.Append($"""<text x="{X(step):0.#}" y="{height - Bottom + 18}" text-anchor="middle">{label}</text>""");
        svg.Append($"""<text x="{width - Right}" y="{height - 8}" text-anchor="end">{Escape(xLabel)}</text>""");

        for (int i = 0; i < series.Count; i++)
        {
            string colour = $"var(--s{i % ColourCount})";
            svg.Append($"""<g class="raw" fill="{colour}">""");
            foreach ((double step, double value) in Thinned(raw[i], MostDots))
                svg.Append($"""<circle cx="{X(step):0.#}" cy="{Y(value):0.#}" r="1.8"/>""");
            svg.Append("</g>");
            string line = string.Join(' ', Thinned(mean[i], MostVertices).Select(p => $"{X(p.Step):0.#},{Y(p.Value):0.#}"));
            svg.Append(mean[i] is [(double onlyStep, double onlyValue)]
                ? $"""<circle fill="{colour}" cx="{X(onlyStep):0.#}" cy="{Y(onlyValue):0.#}" r="4"/>"""
                : $"""<polyline class="mean" stroke="{colour}" points="{line}"/>""");
        }
        AppendLegend(svg, keys);
        return svg.Append("</svg>").ToString();
    }

    // Names are set in a proportional font whose widths are not known here; seven units a character is roomy. What does not fit a line begins the next.
    static IEnumerable<(string Text, double X, double Y)> Keys(IReadOnlyList<CurveSeries> series, (double Step, double Value)[][] mean, int width)
    {
        (double x, double y) = (Left, FirstKey);
        for (int i = 0; i < series.Count; i++)
        {
            string text = mean[i].Length > 0 ? $"{series[i].Name}  {mean[i][^1].Value:G3}" : $"{series[i].Name}  no values";
            double wide = 20 + 7 * text.Length;
            if (x > Left && x + wide > width - Right)
                (x, y) = (Left, y + KeyLine);
            yield return (text, x, y);
            x += wide + 16;
        }
    }

    static void AppendLegend(StringBuilder svg, (string Text, double X, double Y)[] keys)
    {
        for (int i = 0; i < keys.Length; i++)
        {
            (string text, double x, double y) = keys[i];
            svg.Append($"""<rect x="{x:0.#}" y="{y - 5:0.#}" width="14" height="3" rx="1.5" fill="var(--s{i % ColourCount})"/>""");
            svg.Append($"""<text class="key" x="{x + 20:0.#}" y="{y:0.#}" xml:space="preserve">{Escape(text)}</text>""");
        }
    }

    // Centred, so that it lies within its points; at the ends it takes the half that exists.
    static (double Step, double Value)[] MovingAverage((double Step, double Value)[] points, int window)
    {
        var sums = new double[points.Length + 1];
        for (int i = 0; i < points.Length; i++)
            sums[i + 1] = sums[i] + points[i].Value;
        return [.. points.Select((p, i) =>
        {
            int from = Math.Max(0, i - window / 2), to = Math.Min(points.Length, i + (window + 1) / 2);
            return (p.Step, (sums[to] - sums[from]) / (to - from));
        })];
    }

    static IEnumerable<double> Middle((double Step, double Value)[] points)
    {
        double[] sorted = [.. points.Select(p => p.Value).Order()];
        int cut = sorted.Length / 50;
        return sorted[cut..(sorted.Length - cut)];
    }

    static IEnumerable<(double Step, double Value)> Thinned((double Step, double Value)[] points, int most)
    {
        int stride = (points.Length + most - 1) / most;
        return points.Where((_, i) => i % stride == 0 || i == points.Length - 1);
    }

    // Never empty and never of no length, whatever the data.
    static (double Min, double Max) Padded(IEnumerable<double> values, double padding)
    {
        (double min, double max) = values.Aggregate((Min: double.PositiveInfinity, Max: double.NegativeInfinity),
            (range, v) => (Math.Min(range.Min, v), Math.Max(range.Max, v)));
        if (min > max)
            return (0, 1);
        if (min == max)
            return (min - Math.Max(Math.Abs(min) * 0.1, 1e-6), max + Math.Max(Math.Abs(max) * 0.1, 1e-6));
        return (min - (max - min) * padding, max + (max - min) * padding);
    }

    // Multiples of 1, 2 or 5 times a power of ten.
    static IEnumerable<(double Value, string Label)> Ticks(double min, double max, int about)
    {
        double rough = (max - min) / about;
        double power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        double step = power * (rough / power) switch { < 1.5 => 1, < 3.5 => 2, < 7.5 => 5, _ => 10 };
        int decimals = (int)Math.Clamp(-Math.Floor(Math.Log10(step) + 1e-9), 0, 9);
        long last = (long)Math.Floor(max / step + 1e-9);
        for (long k = (long)Math.Ceiling(min / step - 1e-9); k <= last; k++)
            yield return (k * step, (k * step).ToString($"F{decimals}"));
    }

    static string Escape(string text) => WebUtility.HtmlEncode(text);
}
