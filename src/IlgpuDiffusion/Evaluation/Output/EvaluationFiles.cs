using System.Text;
using IlgpuDiffusion.Diagnostics.Report;
using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.Evaluation;

/// What an evaluation leaves beside its results: table.json, four CSV files, charts, the page, and a sheet of pictures for each person.
sealed class EvaluationFiles
{
    // People on the page; all others have their sheets.
    const int MostOnPage = 6, SheetScale = 2;
    const byte Paper = 250;

    readonly EvaluationRun run;
    readonly StudyFiles? study;
    readonly HashSet<EvaluatedPerson> onPage;
    readonly List<ReportGallery> galleries = [];
    readonly List<(string Label, Trial Trial)> everybodys = [], persons = [];

    EvaluationFiles(EvaluationRun run, IReadOnlyList<EvaluatedPerson> people)
    {
        this.run = run;
        study = run.Study is { } settings ? new StudyFiles(run, settings, people) : null;
        // Evenly from the whole list, so that every folder of people is shown.
        int shown = Math.Min(MostOnPage, people.Count);
        onPage = [.. Enumerable.Range(0, shown).Select(i => people[i * people.Count / shown])];
    }

    /// Errors: the place is a file, or cannot be written: known before the work begins.
    public static EvaluationFiles Open(EvaluationRun run, IReadOnlyList<EvaluatedPerson> people)
    {
        if (File.Exists(run.Out))
            throw new IlgdException($"{run.Out}: is a file; give a folder to write into");
        try
        {
            Directory.CreateDirectory(run.Out);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IlgdException($"{run.Out}: cannot be written: {e.Message}", e);
        }

        return new EvaluationFiles(run, people);
    }

    /// Remembers pictures for the sheet of a person; null is everybody's. Returns the trial.
    public Trial Shown(EvaluatedPerson? person, string label, Trial trial)
    {
        (person is null ? everybodys : persons).Add((label, trial));
        if (person is not null)
            study?.Take(person, label, trial);
        return trial;
    }

    /// All trials of this person were shown: writes the sheet.
    public void Finish(EvaluatedPerson person)
    {
        (string Label, IReadOnlyList<RgbImage?> Pictures)[] lines =
        [
            ("the truth", [.. run.Prompts.Select(p => person.TruthOf(p) is { } truth ? person.Truths[truth] : null)]),
            .. everybodys.Concat(persons).Select(shown => (shown.Label, (IReadOnlyList<RgbImage?>)[.. shown.Trial.Prompted])),
        ];
        persons.Clear();
        ImageFile.SavePng(Path.Combine(run.Out, "pictures", $"{person.Group}-{person.Name}.png"), Sheet(person.Photo, lines));
        if (onPage.Contains(person))
        {
            galleries.Add(new ReportGallery(
                $"{person.Group} {person.Name}", ImageFile.EncodePng(person.Photo), [.. run.Prompts.Select(p => p.Text)],
                [.. lines.Select(line => (line.Label, (IReadOnlyList<byte[]?>)[.. line.Pictures.Select(p => p is null ? null : ImageFile.EncodePng(p))]))]));
        }
    }

    public void Write(EvaluationResult result)
    {
        Text("table.json", TableJson.Of(result));
        Text("table.csv", Csv.Table(result));
        Text("people.csv", Csv.People(result));
        EvaluationReport report = new EvaluationSummary(result).Report(galleries);
        if (result.Curves.Count > 0)
        {
            Text("curves.csv", Csv.Curves(result));
            Text("equal-prompt.csv", Csv.Equal(result));
        }

        foreach (ReportChart chart in report.Charts)
            Text($"{Personalization.Prompts.Slug(chart.Title)}.svg", LossCurveSvg.Render(chart.Title, chart.Series, window: 1, xLabel: chart.XLabel));
        EvaluationPage.Write(Path.Combine(run.Out, "report.html"), report);
        study?.Write();
    }

    void Text(string name, string text) => AtomicFile.Write(Path.Combine(run.Out, name), stream => stream.Write(Encoding.UTF8.GetBytes(text)));

    // The photo begins the first line; the names of the others stand under a blank.
    RgbImage Sheet(RgbImage photo, (string Label, IReadOnlyList<RgbImage?> Pictures)[] lines)
    {
        RgbImage blank = new(photo.Width, photo.Height, [.. Enumerable.Repeat(Paper, photo.Pixels.Length)]);
        List<RgbImage> pictures = [];
        List<string> labels = [];
        foreach ((string label, IReadOnlyList<RgbImage?> line) in lines)
        {
            pictures.Add(pictures.Count == 0 ? photo : blank);
            labels.Add(pictures.Count == 1 ? $"photo; {label}" : label);
            pictures.AddRange(line.Select(p => p ?? blank));
            labels.AddRange(run.Prompts.Select(p => p.Text));
        }

        return ContactSheet.Make([.. pictures.Select(p => p.Enlarged(SheetScale))], run.Prompts.Count + 1, labels);
    }
}
