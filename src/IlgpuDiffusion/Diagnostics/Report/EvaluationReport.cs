namespace IlgpuDiffusion.Diagnostics.Report;

/// One entry of a table: what it says, and below it in small what belongs to it.
public readonly record struct ReportCell(string Text, string Small = "");

/// A table with a title; the first column is text, the others are numbers.
public sealed record ReportTable(string Title, string Note, IReadOnlyList<string> Columns, IReadOnlyList<IReadOnlyList<ReportCell>> Rows);

/// A chart: lines over one axis.
public sealed record ReportChart(string Title, string XLabel, IReadOnlyList<CurveSeries> Series);

/// Pictures of one person, a line for each method and a column for each prompt; null leaves a place empty. Bytes are PNG files.
public sealed record ReportGallery(string Title, byte[] PhotoPng, IReadOnlyList<string> Columns, IReadOnlyList<(string Label, IReadOnlyList<byte[]?> Png)> Rows);

/// What the page of an evaluation shows.
public sealed record EvaluationReport
{
    public required string Title { get; init; }

    /// One sentence under the title.
    public string Subtitle { get; init; } = "";

    /// What a reader must know before the tables, a paragraph each.
    public IReadOnlyList<string> Notes { get; init; } = [];

    public IReadOnlyList<ReportTable> Tables { get; init; } = [];
    public IReadOnlyList<ReportChart> Charts { get; init; } = [];
    public IReadOnlyList<ReportGallery> Galleries { get; init; } = [];
    public IReadOnlyList<(string Key, string Value)> Settings { get; init; } = [];
}
