using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace IlgpuDiffusion.Diagnostics.Profiling;

/// Memory held by owner over time, one on top of the other; a line shows what of the arenas was in use.
public static class MemorySvg
{
    const double Width = 760, Height = 360, Left = 64, Right = 200, Top = 44, Bottom = 44;
    const int Owners = 5, Colours = 6, MostVertices = 1500;

    public static string Render(IReadOnlyList<MemoryEvent> memory)
    {
        string[] owners = [.. memory.Where(m => m.Owner != Profiler.ArenaUse).GroupBy(m => m.Owner).OrderByDescending(g => g.Max(m => m.Bytes)).Select(g => g.Key)];
        // The largest have a layer each, the others one together.
        int layers = Math.Min(owners.Length, Owners + 1);
        Dictionary<string, int> layerOf = owners.Select((owner, i) => (owner, Math.Min(i, Owners))).ToDictionary(p => p.owner, p => p.Item2);
        List<(double At, long[] Held, long InUse)> points = [];
        Dictionary<string, long> held = [];
        long[] sums = new long[layers];
        long inUse = 0;
        long origin = memory.Count == 0 ? 0 : memory[0].At;
        foreach (MemoryEvent m in memory.OrderBy(m => m.At))
        {
            double at = (double)(m.At - origin) / Stopwatch.Frequency;
            // A step, not a slope, from what was to what is.
            points.Add((at, [.. sums], inUse));
            if (m.Owner == Profiler.ArenaUse)
                inUse = m.Bytes;
            else
                sums[layerOf[m.Owner]] += m.Bytes - held.GetValueOrDefault(m.Owner);
            held[m.Owner] = m.Bytes;
            points.Add((at, [.. sums], inUse));
        }

        points = [.. points.Where((_, i) => i % Math.Max(1, points.Count / MostVertices) == 0 || i == points.Count - 1)];
        double seconds = Math.Max(1e-3, points.Count == 0 ? 0 : points[^1].At), most = Math.Max(1, points.Count == 0 ? 0 : points.Max(p => Math.Max(p.Held.Sum(), p.InUse)));
        double X(double at) => Left + (at / seconds * (Width - Left - Right));
        double Y(double bytes) => Height - Bottom - (bytes / most * (Height - Top - Bottom));

        StringBuilder svg = new();
        CultureInfo culture = CultureInfo.InvariantCulture;
        svg.Append(culture, $"""<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {Height}" role="img" aria-label="memory by owner"><style>{RooflineSvg.Style}</style>""");
        svg.Append(culture, $"""<text class="title" x="{Left}" y="20">Memory by owner, at most {most / 1e6:N1} MB</text>""");
        for (int i = 0; i <= 4; i++)
        {
            svg.Append(culture, $"""<line class="grid" x1="{Left}" x2="{Width - Right}" y1="{Y(most * i / 4):0.#}" y2="{Y(most * i / 4):0.#}"/><text x="{Left - 6}" y="{Y(most * i / 4) + 4:0.#}" text-anchor="end">{most * i / 4 / 1e6:N0} MB</text>""");
            svg.Append(culture, $"""<text x="{X(seconds * i / 4):0.#}" y="{Height - Bottom + 18}" text-anchor="middle">{seconds * i / 4:G3} s</text>""");
        }

        for (int layer = 0; layer < layers; layer++)
        {
            IEnumerable<string> above = points.Select(p => Vertex(p.At, p.Held.Take(layer + 1).Sum())), below = points.AsEnumerable().Reverse().Select(p => Vertex(p.At, p.Held.Take(layer).Sum()));
            string name = layer < Owners ? owners[layer] : "others";
            svg.Append(culture, $"""<polygon fill="var(--s{layer % Colours})" fill-opacity=".55" points="{string.Join(' ', above.Concat(below))}"/>""");
            svg.Append(culture, $"""<rect x="{Width - Right + 14}" y="{Top + (layer * 20)}" width="10" height="10" fill="var(--s{layer % Colours})"/><text class="key" x="{Width - Right + 30}" y="{Top + 9 + (layer * 20)}">{RooflineSvg.Escape(name)}</text>""");
        }

        svg.Append(culture, $"""<polyline fill="none" stroke="var(--ink)" points="{string.Join(' ', points.Select(p => Vertex(p.At, p.InUse)))}"/>""");
        svg.Append(culture, $"""<line x1="{Width - Right + 12}" x2="{Width - Right + 26}" y1="{Top + 5 + (layers * 20)}" y2="{Top + 5 + (layers * 20)}" stroke="var(--ink)"/><text class="key" x="{Width - Right + 30}" y="{Top + 9 + (layers * 20)}">{Profiler.ArenaUse}</text>""");
        return svg.Append("</svg>").ToString();

        string Vertex(double at, long bytes) => string.Create(culture, $"{X(at):0.#},{Y(bytes):0.#}");
    }
}
