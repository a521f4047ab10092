using System.Globalization;
using IlgpuDiffusion.Diagnostics.Report;

namespace IlgpuDiffusion.Evaluation;

/// The result in the words of the page.
sealed class EvaluationSummary(EvaluationResult result)
{
    static readonly Measure[] Columns =
    [
        Measure.FaceRec, Measure.PromptOk, Measure.ClipT, Measure.Dino, Measure.ClipI, Measure.Truth, Measure.TruthDino, Measure.Retrieval, Measure.Pres, Measure.Div,
    ];

    public EvaluationReport Report(IReadOnlyList<ReportGallery> galleries) => new()
    {
        Title = "Methods of personalisation, compared",
        Subtitle = $"{result.Groups[0].People} people, {result.Settings.Prompts.Count} prompts, {Count(result.Settings.Seeds, "seed")}; one photo of each person",
        Notes = [.. Notes(galleries.Count)],
        Tables = [.. result.Groups.SelectMany(Tables), .. EqualTables()],
        Charts = [.. Charts()],
        Galleries = galleries,
        Settings =
        [
            ("device", result.Settings.Device),
            ("sampler", $"{result.Settings.Sampling.Scheduler}, {result.Settings.Sampling.Steps} steps"),
            ("guidance", $"{result.Settings.Sampling.Guidance}"),
            ("[V]", result.Settings.Subject.Identifier),
            ("model", result.Facts.Model[..12]),
            .. result.Facts.Judges.Select(j => ($"judge: {j.Key}", j.Value?[..12] ?? "none")),
            .. result.Settings.Methods.Select(m => (m.Name, $"{m.Steps} × {m.Pairs}, lr {m.Optimizer.LearningRate.ToString(CultureInfo.InvariantCulture)}")),
        ],
    };

    IEnumerable<string> Notes(int onPage)
    {
        foreach (string judge in result.Facts.Judges.Where(j => j.Value is null).Select(j => j.Key))
            yield return $"Not measured: {string.Join(", ", Measure.All.Where(m => m.Judge == judge).Select(m => m.Title))}. There is {Judges.WhyNot(judge)}.";
        if (result.Facts.Judges["clip"] is null)
            yield return "So nothing here says whether pictures follow their prompts. A method that gives back its input would win on fidelity alone: do not rank by these tables.";
        if (result.Facts.OwnJudge)
            yield return "Faces are judged by the network that the hypernetwork sees with: a prediction that pleases its own eye is no proof. Give another one with --face-encoder DIR.";
        yield return $"Below each mean, the 95 % interval of a bootstrap over people. The column \"{PaperNumbers.Mark}\" has face rec., DINO, CLIP-I and CLIP-T of the paper's model, people, prompts and judges, none of which are ours.";
        yield return "Seconds run from the photo to the weights, a mean over people, on the machine and under the load of the day; bytes are of one person's weights in float32.";
        if (result.Facts.Judges["face"] is not null)
            yield return $"Retrieval is among the photos of all {result.Groups[0].People} people: chance is {Three(1.0 / result.Groups[0].People)}.";
        if (result.Groups[0].People > onPage)
            yield return $"{onPage} of {result.Groups[0].People} people are shown below; everybody's pictures lie in pictures/.";
    }

    // The paper's tables as far as their methods were run; the first one has everything else too.
    IEnumerable<ReportTable> Tables(TableGroup group)
    {
        string of = result.Groups.Count > 1 ? $", {group.Name} ({group.People} people)" : "";
        HashSet<string> later = [.. PaperNumbers.Tables.Skip(1).SelectMany(t => t.Methods).Except(PaperNumbers.Tables[0].Methods)];
        yield return Table(PaperNumbers.Tables[0].Title + of, [.. group.Rows.Where(r => !later.Any(name => r.Method == name || r.Method.StartsWith($"{name},", StringComparison.Ordinal)))]);
        foreach ((string title, IReadOnlyList<string> methods) in PaperNumbers.Tables.Skip(1))
        {
            TableRow[] rows = [.. methods.SelectMany(name => group.Rows.Where(r => r.Method == name || r.Method == $"{name}, another person's prediction"))];
            if (rows.Any(r => later.Contains(r.Method)))
                yield return Table(title + of, rows);
        }

        if (group.Differences.Count > 0 && group.People > 1)
            yield return Differences($"Differences, person by person{of}", group.Differences);
    }

    static ReportTable Differences(string title, IReadOnlyList<PairedDifference> differences)
    {
        Measure[] columns = [.. Columns.Where(m => differences.Any(d => d.Scores.ContainsKey(m)))];
        return new ReportTable(
            title, "Where the interval holds zero, these people do not tell the two apart.", ["", .. columns.Select(m => m.Title)],
            [.. differences.Select(d => (IReadOnlyList<ReportCell>)[new ReportCell($"{d.Method} − {d.Minus}"), .. columns.Select(m => Cell(d.Scores, m))])]);
    }

    static ReportCell Cell(IReadOnlyDictionary<Measure, Interval> scores, Measure measure) =>
        scores.TryGetValue(measure, out Interval i) ? new ReportCell(Three(i.Mean), $"{Three(i.Low)} to {Three(i.High)}") : new ReportCell("—");

    ReportTable Table(string title, IReadOnlyList<TableRow> rows)
    {
        Measure[] columns = [.. Columns.Where(m => rows.Any(r => r.Scores.ContainsKey(m)))];
        IEnumerable<string> reasons = rows.SelectMany(r => r.Absent.Where(a => columns.Contains(a.Key)).GroupBy(a => a.Value).Select(a => $"{r.Method}: {a.Key}"));
        return new ReportTable(
            title,
            $"{string.Join(". ", columns.Select(m => $"{m.Title}: {m.Meaning}"))}.{(reasons.Any() ? $" — is not measured. {string.Join(". ", reasons)}." : "")}",
            ["", .. columns.Select(m => m.Title), "seconds", "bytes", PaperNumbers.Mark],
            [
                .. rows.Select(row => (IReadOnlyList<ReportCell>)
                [
                    new ReportCell(row.Method),
                    .. columns.Select(m => Cell(row.Scores, m)),
                    new ReportCell(row.Seconds is { } s ? s.ToString("0.0", CultureInfo.InvariantCulture) : "—"),
                    new ReportCell(row.Bytes is { } b ? b.ToString("N0", CultureInfo.InvariantCulture) : "—"),
                    Paper(row.Method),
                ]),
            ]);
    }

    static ReportCell Paper(string method)
    {
        double?[] numbers = [.. new[] { Measure.FaceRec, Measure.Dino, Measure.ClipI, Measure.ClipT }.Select(m => PaperNumbers.Of(method, m))];
        return numbers[0] is null ? new ReportCell("—") : new ReportCell(string.Join(" / ", numbers.Select(n => Three(n!.Value))));
    }

    IEnumerable<ReportTable> EqualTables()
    {
        if (result.Equal.Count == 0)
            yield break;
        string[] methods = [.. result.Curves.Select(c => c.Method)];
        ReportCell Number(double? value, string format) => new(value?.ToString(format, CultureInfo.InvariantCulture) ?? "—");
        yield return new ReportTable(
            "Fidelity at equal prompt-following",
            "The most face rec. that a method has anywhere on its curve while it follows prompts at least that well, with straight lines between the iterations that were looked at; — where it never does. "
                + "The first column is the share of what the model without personalisation does.",
            ["prompt ok", .. methods],
            [.. result.Equal.Select(e => (IReadOnlyList<ReportCell>)[new ReportCell(Percent(e.Share), Three(e.Prompt)), .. methods.Select(m => Number(e.Fidelity[m], "0.000"))])]);
        foreach (string reference in result.Equal.SelectMany(e => e.Seconds.Select(s => s.Reference)).Distinct())
        {
            yield return new ReportTable(
                $"Seconds to be as faithful as {reference} at its best",
                "At that prompt-following; from the photo to the weights. The paper states factors of 25 over DreamBooth and 125 over textual inversion for its whole method.",
                ["prompt ok", "face rec.", .. methods],
                [
                    .. from e in result.Equal
                       let s = e.Seconds.FirstOrDefault(s => s.Reference == reference)
                       where s is not null
                       select (IReadOnlyList<ReportCell>)[new ReportCell(Percent(e.Share), Three(e.Prompt)), new ReportCell(Three(s.Fidelity)), .. methods.Select(m => Number(s.Seconds[m], "0.0"))],
                ]);
        }
    }

    IEnumerable<ReportChart> Charts()
    {
        ReportChart Chart(string title, string xLabel, Func<CurvePoint, double?> x, Func<CurvePoint, double?> y) => new(
            title, xLabel,
            [.. result.Curves.Select(c => new CurveSeries(c.Method, [.. from p in c.Points let at = x(p) let value = y(p) where at is not null && value is not null select (at.Value, value.Value)]))]);
        ReportChart[] all =
        [
            Chart("Fidelity against prompt-following", "prompt ok", p => p.Prompt, p => p.Fidelity),
            Chart("Fidelity", "iteration", p => p.Step, p => p.Fidelity),
            Chart("Prompt-following", "iteration", p => p.Step, p => p.Prompt),
            Chart("Fidelity against seconds", "seconds", p => p.Seconds, p => p.Fidelity),
            Chart("Loss on the photo against seconds", "seconds", p => p.Seconds, p => p.Loss),
            new ReportChart("Fidelity against size", "log10 of the bytes of one person's weights", [.. BySize()]),
        ];
        return all.Where(c => c.Series.Any(s => s.Points.Count > 0));
    }

    // A method is a point; one that was run with several settings is a line.
    IEnumerable<CurveSeries> BySize() =>
        from row in result.Rows
        where row is { Kind: RowKind.Method, Bytes: > 0 } && row.Scores.ContainsKey(Measure.FaceRec)
        group (Math.Log10(row.Bytes!.Value), row.Scores[Measure.FaceRec].Mean) by row.Method.Split('@')[0] into method
        select new CurveSeries(method.Key, [.. method.Order()]);

    static string Three(double value) => value.ToString("0.000", CultureInfo.InvariantCulture);

    static string Percent(double share) => $"{100 * share:0} %";

    static string Count(int n, string what) => n == 1 ? $"1 {what}" : $"{n} {what}s";
}
