using IlgpuDiffusion.Diagnostics.Report;
using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.Personalization;

/// The files that people look at: single pictures, the grid, the page.
sealed class PersonalizationOutput(PersonalizationRun run, StagedFolder stage)
{
    public const string AdapterName = "adapter.safetensors";

    const int GridColumns = 8, SmallestInGrid = 192;
    const byte Paper = 250;

    public StagedFolder Stage { get; } = stage;

    /// As the model saw it.
    public required RgbImage Photo { get; init; }

    /// The photo encoded and decoded: the best that the model could draw.
    public required RgbImage ThroughAutoencoder { get; init; }

    /// One a prompt, from the same noise: before and after.
    public required RgbImage[] Without { get; init; }

    public required RgbImage[] With { get; init; }

    public required IReadOnlyList<double> Losses { get; init; }

    public required double PhotoLossBefore { get; init; }

    public required double PhotoLossAfter { get; init; }

    public required double[] OthersLossBefore { get; init; }

    public required double[] OthersLossAfter { get; init; }

    /// Everything written so far.
    public IEnumerable<(string File, long Bytes)> Files =>
        from file in Directory.EnumerateFiles(Stage.Path, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
        select (Path.GetRelativePath(Stage.Path, file), new FileInfo(file).Length);

    public void WritePictures()
    {
        for (int i = 0; i < With.Length; i++)
            ImageFile.SavePng(Stage.File($"images/{i + 1:00}-{Prompts.Slug(run.Prompts[i])}.png"), With[i]);
        ImageFile.SavePng(Stage.File("grid.png"), Grid());
    }

    IEnumerable<ReportNumber> Numbers()
    {
        yield return new ReportNumber("denoising loss on the photo", PhotoLossBefore, PhotoLossAfter, HigherIsBetter: false);
        if (OthersLossBefore.Length > 0)
            yield return new ReportNumber($"the same on {OthersLossBefore.Length} other people", OthersLossBefore.Average(), OthersLossAfter.Average());
    }

    public void WriteReport(IReadOnlyList<(string Phase, double Seconds)> phases, ModelSizes sizes) => HtmlReport.Write(Stage.File("report.html"), new PersonalizationReport
    {
        Title = "One photo, personalised",
        Subtitle = $"{run.Method.Name}, {run.Method.Steps} steps on {run.Device}, drawn by {run.Sampling.Scheduler} in {run.Sampling.Steps} steps",
        PhotoPng = ImageFile.EncodePng(Photo),
        Pictures = [.. run.Prompts.Select((prompt, i) => new ReportPicture(prompt, ImageFile.EncodePng(With[i]), ImageFile.EncodePng(Without[i])))],
        LossCurve = [CurveSeries.FromValues("loss", Losses)],
        Numbers = [.. Numbers()],
        Phases = phases,
        Files = [.. Files],
        Settings =
        [
            ("model", Path.GetFileName(Path.TrimEndingDirectorySeparator(run.Model))),
            ("method", run.Method.Name),
            ("rank", $"{run.Method.Rank}"),
            ("steps", $"{run.Method.Steps}"),
            ("pairs a step", $"{run.Method.Pairs}"),
            ("learning rate", $"{run.Method.Optimizer.LearningRate}"),
            ("prior pairs", $"{run.Method.PriorPairs}"),
            ("numbers saved", $"{sizes.Saved:N0} of the model's {sizes.Full:N0}"),
            ("as LiDB", $"{sizes.Lidb:N0}: {sizes.LidbOfLora:P1} of a LoRA of rank 1 (the paper's: 7.5 %), the model is {sizes.FullOfLidb:N0} times as large (10,000)"),
            ("[V]", run.Subject.Identifier),
            ("seed", $"{run.Seed}"),
            ("guidance", $"{run.Sampling.Guidance}"),
            ("device", run.Device),
        ],
    });

    // Two lines for every eight prompts: the photo and the person's pictures, and under them what the model drew before.
    RgbImage Grid()
    {
        int factor = Math.Max(1, SmallestInGrid / Photo.Width), side = factor * Photo.Width;
        RgbImage blank = new(side, side, [.. Enumerable.Repeat(Paper, 3 * side * side)]);
        List<RgbImage> pictures = [];
        List<string> labels = [];
        int columns = Math.Min(GridColumns, With.Length);
        for (int start = 0; start < With.Length; start += columns)
        {
            Line(Photo, "the photo", With, start, prompt => prompt);
            Line(ThroughAutoencoder, "through the autoencoder", Without, start, prompt => $"before: {run.Subject.Without(prompt)}");
        }

        return ContactSheet.Make(pictures, columns + 1, labels);

        void Line(RgbImage first, string label, RgbImage[] rest, int start, Func<string, string> caption)
        {
            pictures.Add(first.Enlarged(factor));
            labels.Add(label);
            for (int i = start; i < start + columns; i++)
            {
                pictures.Add(i < rest.Length ? rest[i].Enlarged(factor) : blank);
                labels.Add(i < rest.Length ? caption(run.Prompts[i]) : "");
            }
        }
    }
}
