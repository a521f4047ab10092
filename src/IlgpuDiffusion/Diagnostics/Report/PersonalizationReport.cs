namespace IlgpuDiffusion.Diagnostics.Report;

/// A generated picture, and what the same seed and prompt give without the adapter. Bytes are PNG files.
public sealed record ReportPicture(string Prompt, byte[] Png, byte[]? WithoutAdapterPng = null);

/// A measure before and after personalisation; null where neither direction is better.
public sealed record ReportNumber(string Name, double Before, double After, bool? HigherIsBetter = null);

/// What the page of one personalisation shows. Only the title and the photo are needed; an empty part leaves its section out.
public sealed record PersonalizationReport
{
    public required string Title { get; init; }

    /// One sentence under the title.
    public string Subtitle { get; init; } = "";

    /// The input photo, a PNG file.
    public required byte[] PhotoPng { get; init; }

    public IReadOnlyList<ReportPicture> Pictures { get; init; } = [];
    public IReadOnlyList<CurveSeries> LossCurve { get; init; } = [];
    public IReadOnlyList<ReportNumber> Numbers { get; init; } = [];

    /// In the order in which they ran.
    public IReadOnlyList<(string Phase, double Seconds)> Phases { get; init; } = [];
    public IReadOnlyList<(string File, long Bytes)> Files { get; init; } = [];
    public IReadOnlyList<(string Key, string Value)> Settings { get; init; } = [];
}
