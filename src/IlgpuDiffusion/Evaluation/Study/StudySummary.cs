using System.Globalization;

namespace IlgpuDiffusion.Evaluation;

/// A study's result in lines of text.
public static class StudySummary
{
    const int Label = 12;

    public static IEnumerable<string> Lines(StudyResult result)
    {
        yield return $"study {result.Study}: {result.First} against {result.Second}; {Count(result.Raters, "rater")}, {Count(result.People, "person", "people")}";
        foreach (StudyTable table in result.Tables)
        {
            int width = Math.Max(22, Math.Max(result.First.Length, result.Second.Length) + 2);
            string Row(string label, params string[] cells) => (label.PadRight(Label) + string.Concat(cells.Select(c => c.PadRight(width)))).TrimEnd();
            string Shares(string label, StudyShares of) => Row(label, Cell(of.First), Cell(of.Second), Cell(of.Undecided));
            yield return "";
            yield return $"{table.Question} ({Count(table.Questions.Count, "question")})";
            yield return Row("", result.First, result.Second, "undecided");
            yield return Shares("majority", table.Majority);
            yield return Shares("all votes", table.Votes);
            yield return table.KrippendorffAlpha is { } alpha
                ? Number($"Krippendorff's alpha between raters: {alpha:0.000}")
                : "Krippendorff's alpha between raters: not defined, for that takes two raters and two kinds of answer";
            if (table.About == StudyCriterion.Identity)
            {
                foreach (StudyReference paper in result.Paper)
                    yield return Number($"{result.PaperMark}: {paper.First} {paper.FirstPercent:0.0} %, {paper.Second} {paper.SecondPercent:0.0} %, undecided {paper.UndecidedPercent:0.0} %");
            }
        }

        yield return "";
        yield return "Majority: of the questions, the answer with the most votes; a tie and \"cannot tell\" are undecided. In brackets the 95 % interval of a bootstrap over people.";
    }

    static string Cell(Interval share) => Number($"{100 * share.Mean:0.0} % [{100 * share.Low:0.0}, {100 * share.High:0.0}]");

    static string Number(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    static string Count(int n, string one, string? many = null) => $"{n} {(n == 1 ? one : many ?? $"{one}s")}";
}
