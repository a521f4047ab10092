using System.Buffers.Binary;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.Diagnostics.Report;

/// One self-contained page of a personalisation: photo, pictures beside what the base model draws, numbers, loss curve, time, files,
/// settings. No script and nothing fetched (its own policy forbids it), so it can be mailed and kept; light or dark as its reader
/// prefers. All text is escaped. Small pictures are enlarged by whole factors with hard pixels.
public static partial class HtmlReport
{
    // Widths on the page: two pairs or four small pictures fill a line.
    const int SmallestShown = 192, SmallestInGallery = 224, LargestShown = 344, LargestInPair = 256;

    /// Writes the page beside its place and renames it.
    public static void Write(string path, PersonalizationReport report) =>
        AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(Build(report))));

    /// The page's text.
    public static string Build(PersonalizationReport report)
    {
        StringBuilder html = new();
        AppendHead(html, report.Title);
        AppendHeader(html, report);
        AppendPictures(html, report.Pictures);
        AppendNumbers(html, report.Numbers);
        if (report.LossCurve.Count > 0)
            Section(html, "Training", $"""<div class="card">{LossCurveSvg.Render("Loss", report.LossCurve)}</div>""");
        html.Append("<div class=\"columns\">\n");
        AppendPhases(html, report.Phases);
        AppendFiles(html, report.Files);
        html.Append("</div>\n");
        AppendSettings(html, report.Settings);
        return html.Append(Foot).ToString();
    }

    internal const string Foot = "</main>\n</body>\n</html>\n";

    /// The page up to its content: nothing is fetched, and nothing runs but `script`, word for word, where the page has it. `style`: added to the pages' own
    internal static void AppendHead(StringBuilder html, string title, string style = "", string script = "") => html.Append($"""
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width,initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <meta http-equiv="Content-Security-Policy" content="default-src 'none';img-src data:;style-src 'unsafe-inline'{(script.Length > 0 ? $";script-src 'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(script)))}'" : "")}">
        <title>{Escape(title)}</title>
        <style>{Style}{style}</style>
        </head>
        <body>
        <main>

        """);

    static void AppendHeader(StringBuilder html, PersonalizationReport report)
    {
        List<(string Value, string Name)> facts = [];
        if (report.Phases.Count > 0)
            facts.Add((Seconds(report.Phases.Sum(p => p.Seconds)), "from photo to pictures"));
        (string File, long Bytes)[] weights = [.. report.Files.Where(f => f.File.EndsWith(".safetensors", StringComparison.Ordinal)).OrderBy(f => f.Bytes)];
        if (weights.Length > 0)
            facts.Add((Bytes(weights[0].Bytes), "of weights for this person"));
        if (report.Pictures.Count > 0)
            facts.Add(($"{report.Pictures.Count}", report.Pictures.Count == 1 ? "picture" : "pictures"));

        html.Append("<header>\n");
        html.Append($"<figure class=\"photo\">{Image(report.PhotoPng, "the photo", SmallestShown, LargestShown)}<figcaption>the photo</figcaption></figure>\n<div>\n");
        html.Append($"<h1>{Escape(report.Title)}</h1>\n");
        if (report.Subtitle.Length > 0)
            html.Append($"<p class=\"lead\">{Escape(report.Subtitle)}</p>\n");
        if (facts.Count > 0)
            html.Append($"<dl class=\"facts\">{string.Concat(facts.Select(f => $"<div><dd>{f.Value}</dd><dt>{f.Name}</dt></div>"))}</dl>\n");
        html.Append("</div>\n</header>\n");
    }

    static void AppendPictures(StringBuilder html, IReadOnlyList<ReportPicture> pictures)
    {
        if (pictures.Count == 0)
            return;
        bool pairs = pictures.Any(p => p.WithoutAdapterPng is not null);
        int largest = pairs ? LargestInPair : LargestShown;
        int shown = pictures.Max(p => ShownWidth(p.Png, SmallestInGallery, largest).Width);
        StringBuilder gallery = new();
        gallery.Append($"<div class=\"gallery{(pairs ? " pairs" : "")}\" style=\"--cell:{(pairs ? 2 * shown + 12 : shown)}px\">\n");
        foreach (ReportPicture picture in pictures)
        {
            gallery.Append("<figure><div class=\"pair\">");
            gallery.Append(picture.WithoutAdapterPng is { } without
                ? Labelled(picture.Png, picture.Prompt, "personalised") + Labelled(without, $"{picture.Prompt}, base model", "base model")
                : Image(picture.Png, picture.Prompt, SmallestInGallery, largest));
            gallery.Append($"</div><figcaption>{Escape(picture.Prompt)}</figcaption></figure>\n");
        }
        Section(html, "Pictures", gallery.Append("</div>").ToString(), pairs ? "Each pair starts from the same noise." : "");

        static string Labelled(byte[] png, string alt, string label) =>
            $"<div>{Image(png, alt, SmallestInGallery, LargestInPair)}<small>{label}</small></div>";
    }

    static void AppendNumbers(StringBuilder html, IReadOnlyList<ReportNumber> numbers)
    {
        if (numbers.Count == 0)
            return;
        StringBuilder rows = new("<div class=\"card\"><table><thead><tr><th>measure</th><th class=\"n\">before</th><th class=\"n\">after</th>"
            + "<th class=\"n\">change</th></tr></thead><tbody>\n");
        foreach (ReportNumber number in numbers)
        {
            double change = number.After - number.Before;
            string verdict = number.HigherIsBetter is not { } higher || change == 0 ? "" : change > 0 == higher ? " good" : " bad";
            string arrow = number.HigherIsBetter is not { } up ? "" : up ? " <small>higher is better</small>" : " <small>lower is better</small>";
            rows.Append($"<tr><td>{Escape(number.Name)}{arrow}</td><td class=\"n\">{number.Before:G4}</td><td class=\"n\">{number.After:G4}</td>"
                + $"<td class=\"n{verdict}\">{change:+0.###;−0.###;0}</td></tr>\n");
        }
        Section(html, "Before and after", rows.Append("</tbody></table></div>").ToString());
    }

    static void AppendPhases(StringBuilder html, IReadOnlyList<(string Phase, double Seconds)> phases)
    {
        if (phases.Count == 0)
            return;
        double total = phases.Sum(p => p.Seconds);
        StringBuilder rows = new("<div class=\"card\"><table><tbody>\n");
        foreach ((string phase, double seconds) in phases)
        {
            double percent = total > 0 ? 100 * seconds / total : 0;
            rows.Append($"<tr><td>{Escape(phase)}<div class=\"bar\"><i style=\"width:{percent:0.#}%\"></i></div></td>"
                + $"<td class=\"n\">{Seconds(seconds)}</td></tr>\n");
        }
        rows.Append($"<tr class=\"total\"><td>in all</td><td class=\"n\">{Seconds(total)}</td></tr>\n");
        Section(html, "Time", rows.Append("</tbody></table></div>").ToString());
    }

    static void AppendFiles(StringBuilder html, IReadOnlyList<(string File, long Bytes)> files)
    {
        if (files.Count == 0)
            return;
        string rows = string.Concat(files.Select(f => $"<tr><td><code>{Escape(f.File)}</code></td><td class=\"n\">{Bytes(f.Bytes)}</td></tr>\n"));
        Section(html, "Files", $"<div class=\"card\"><table><tbody>\n{rows}</tbody></table></div>");
    }

    internal static void AppendSettings(StringBuilder html, IReadOnlyList<(string Key, string Value)> settings)
    {
        if (settings.Count == 0)
            return;
        string rows = string.Concat(settings.Select(s => $"<div><dt>{Escape(s.Key)}</dt><dd>{Escape(s.Value)}</dd></div>\n"));
        Section(html, "Settings", $"<dl class=\"card settings\">\n{rows}</dl>");
    }

    internal static void Section(StringBuilder html, string title, string body, string note = "") =>
        html.Append($"<section>\n<h2>{title}{(note.Length > 0 ? $" <small>{note}</small>" : "")}</h2>\n{body}\n</section>\n");

    internal static string Image(byte[] png, string alt, int smallest, int largest)
    {
        (int width, bool enlarged) = ShownWidth(png, smallest, largest);
        return $"<img{(enlarged ? " class=\"pixels\"" : "")} width=\"{width}\" alt=\"{Escape(alt)}\" src=\"data:image/png;base64,{Convert.ToBase64String(png)}\">";
    }

    // A PNG begins with its signature and the IHDR chunk, whose first number is the width.
    static (int Width, bool Enlarged) ShownWidth(byte[] png, int smallest, int largest)
    {
        ReadOnlySpan<byte> signature = [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0d, 0x0a, 0x1a, 0x0a];
        if (png.Length < 24 || !png.AsSpan().StartsWith(signature))
            throw new IlgdException($"report: a picture of {png.Length} bytes is not a PNG file; encode it first");
        int width = Math.Max(1, BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(16)));
        int factor = Math.Max(1, (smallest + width - 1) / width);
        return (factor > 1 ? width * factor : Math.Min(width, largest), factor > 1);
    }

    internal static string Seconds(double seconds) => seconds switch
    {
        < 1 => $"{seconds * 1000:0} ms",
        < 100 => $"{seconds:0.0} s",
        _ => $"{Math.Floor(seconds / 60):0} min {seconds % 60:00} s",
    };

    internal static string Bytes(long bytes) => bytes switch
    {
        < 1024 => $"{bytes} bytes",
        < 1024 * 1024 => $"{bytes / 1024.0:0.#} KiB",
        < 1024L * 1024 * 1024 => $"{bytes / 1024.0 / 1024:0.#} MiB",
        _ => $"{bytes / 1024.0 / 1024 / 1024:0.##} GiB",
    };

    internal static string Escape(string text) => WebUtility.HtmlEncode(text);
}
