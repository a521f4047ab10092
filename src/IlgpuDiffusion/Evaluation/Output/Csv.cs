using System.Globalization;
using System.Text;

namespace IlgpuDiffusion.Evaluation;

/// The result as comma-separated values (RFC 4180), an empty field where something was not measured.
static class Csv
{
    public static string Table(EvaluationResult result) => Lines(
        ["group", "method", "kind", "people", .. Measure.All.SelectMany(m => new[] { m.Name, $"{m.Name}_low", $"{m.Name}_high" }), "seconds", "bytes", .. Measure.All.Select(m => $"paper_{m.Name}")],
        from table in result.Groups
        from row in table.Rows
        select (string[])
        [
            table.Name, row.Method, $"{row.Kind}".ToLowerInvariant(), $"{row.People}",
            .. Measure.All.SelectMany(m => row.Scores.TryGetValue(m, out Interval i) ? [Number(i.Mean), Number(i.Low), Number(i.High)] : new[] { "", "", "" }),
            Number(row.Seconds), $"{row.Bytes}",
            .. Measure.All.Select(m => Number(PaperNumbers.Of(row.Method, m))),
        ]);

    public static string People(EvaluationResult result) => Lines(
        ["group", "person", "method", .. Measure.All.Select(m => m.Name)],
        result.People.Select(p => (string[])[p.Group, p.Person, p.Method, .. Measure.All.Select(m => Number(p.Scores.TryGetValue(m, out double value) ? value : null))]));

    public static string Curves(EvaluationResult result) => Lines(
        ["method", "step", Measure.FaceRec.Name, Measure.PromptOk.Name, Measure.Retrieval.Name, "loss", "seconds"],
        from curve in result.Curves
        from point in curve.Points
        select (string[])[curve.Method, $"{point.Step}", Number(point.Fidelity), Number(point.Prompt), Number(point.Retrieval), Number(point.Loss), Number(point.Seconds)]);

    public static string Equal(EvaluationResult result) => Lines(
        ["share_of_base", Measure.PromptOk.Name, "method", Measure.FaceRec.Name, .. References(result).Select(r => $"seconds_to_{r}")],
        from equal in result.Equal
        from method in result.Curves.Select(c => c.Method)
        select (string[])
        [
            Number(equal.Share), Number(equal.Prompt), method, Number(equal.Fidelity[method]),
            .. References(result).Select(r => Number(equal.Seconds.FirstOrDefault(s => s.Reference == r)?.Seconds[method])),
        ]);

    static IEnumerable<string> References(EvaluationResult result) => result.Equal.SelectMany(e => e.Seconds.Select(s => s.Reference)).Distinct();

    static string Lines(string[] header, IEnumerable<string[]> rows)
    {
        StringBuilder text = new();
        foreach (string[] row in rows.Prepend(header))
            text.Append(string.Join(',', row.Select(Quoted))).Append('\n');
        return text.ToString();
    }

    static string Quoted(string field) => field.AsSpan().ContainsAny(",\"\r\n") ? $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : field;

    static string Number(double? value) => value is { } v && double.IsFinite(v) ? v.ToString("0.######", CultureInfo.InvariantCulture) : "";
}
