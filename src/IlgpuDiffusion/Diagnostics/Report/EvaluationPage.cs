using System.Text;
using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.Diagnostics.Report;

/// One self-contained page of an evaluation, in the manner of <see cref="HtmlReport"/>: tables, charts, the gallery, settings.
public static class EvaluationPage
{
    const int SmallestPhoto = 128, LargestPhoto = 160, SmallestPicture = 64, LargestPicture = 96;

    /// Writes the page beside its place and renames it.
    public static void Write(string path, EvaluationReport report) =>
        AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(Build(report))));

    /// The page's text.
    public static string Build(EvaluationReport report)
    {
        StringBuilder html = new();
        HtmlReport.AppendHead(html, report.Title);
        html.Append($"<header><div>\n<h1>{HtmlReport.Escape(report.Title)}</h1>\n");
        if (report.Subtitle.Length > 0)
            html.Append($"<p class=\"lead\">{HtmlReport.Escape(report.Subtitle)}</p>\n");
        html.Append("</div></header>\n");
        foreach (string note in report.Notes)
            html.Append($"<p class=\"remark\">{HtmlReport.Escape(note)}</p>\n");
        foreach (ReportTable table in report.Tables)
            AppendTable(html, table);
        if (report.Charts.Count > 0)
        {
            string charts = string.Concat(report.Charts.Select(c => $"<div class=\"card\">{LossCurveSvg.Render(c.Title, c.Series, window: 1, xLabel: c.XLabel)}</div>\n"));
            HtmlReport.Section(html, "Charts", charts);
        }

        foreach (ReportGallery gallery in report.Galleries)
            AppendGallery(html, gallery);
        HtmlReport.AppendSettings(html, report.Settings);
        return html.Append(HtmlReport.Foot).ToString();
    }

    static void AppendTable(StringBuilder html, ReportTable table)
    {
        StringBuilder text = new("<div class=\"card\"><table class=\"scores\"><thead><tr>");
        foreach ((int i, string column) in table.Columns.Index())
            text.Append($"<th{(i > 0 ? " class=\"n\"" : "")}>{HtmlReport.Escape(column)}</th>");
        text.Append("</tr></thead><tbody>\n");
        foreach (IReadOnlyList<ReportCell> row in table.Rows)
        {
            text.Append("<tr>");
            foreach ((int i, ReportCell cell) in row.Index())
            {
                string small = cell.Small.Length > 0 ? $"<small>{HtmlReport.Escape(cell.Small)}</small>" : "";
                text.Append($"<td{(i > 0 ? " class=\"n\"" : "")}>{HtmlReport.Escape(cell.Text)}{small}</td>");
            }

            text.Append("</tr>\n");
        }

        text.Append("</tbody></table></div>");
        if (table.Note.Length > 0)
            text.Append($"\n<p class=\"remark\">{HtmlReport.Escape(table.Note)}</p>");
        HtmlReport.Section(html, HtmlReport.Escape(table.Title), text.ToString());
    }

    static void AppendGallery(StringBuilder html, ReportGallery gallery)
    {
        StringBuilder text = new($"<div class=\"card\"><table class=\"pictures\"><thead><tr><th>{HtmlReport.Image(gallery.PhotoPng, "the photo", SmallestPhoto, LargestPhoto)}</th>");
        foreach (string column in gallery.Columns)
            text.Append($"<th>{HtmlReport.Escape(column)}</th>");
        text.Append("</tr></thead><tbody>\n");
        foreach ((string label, IReadOnlyList<byte[]?> pictures) in gallery.Rows)
        {
            text.Append($"<tr><td>{HtmlReport.Escape(label)}</td>");
            foreach ((int i, byte[]? png) in pictures.Index())
                text.Append($"<td>{(png is null ? "" : HtmlReport.Image(png, $"{label}: {gallery.Columns[i]}", SmallestPicture, LargestPicture))}</td>");
            text.Append("</tr>\n");
        }

        HtmlReport.Section(html, HtmlReport.Escape(gallery.Title), text.Append("</tbody></table></div>").ToString());
    }
}
