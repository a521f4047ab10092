using System.Text.Json;

namespace IlgpuDiffusion.Evaluation;

/// What raters can make of a pair, by method and no longer by side.
public enum StudyOutcome
{
    First,
    Second,

    /// Cannot tell; of many raters also that no answer has the most votes.
    Undecided,
}

/// The votes on one question.
public sealed record StudyVotes(string Id, string Person, string Prompt, int First, int Second, int Undecided)
{
    /// The answer that got more votes than either other one; undecided where there is none.
    public StudyOutcome Majority => First > Math.Max(Second, Undecided) ? StudyOutcome.First : Second > Math.Max(First, Undecided) ? StudyOutcome.Second : StudyOutcome.Undecided;
}

/// Shares of a whole, with 95 % intervals of a bootstrap over people.
public sealed record StudyShares(Interval First, Interval Second, Interval Undecided);

/// All about one criterion. `Majority`: of the questions, by the raters' majority   `Votes`: of all votes   `KrippendorffAlpha`: between raters, null where it is not defined
public sealed record StudyTable(
    StudyCriterion About, string Question, StudyShares Majority, StudyShares Votes, double? KrippendorffAlpha, IReadOnlyList<StudyVotes> Questions);

/// A study of the paper, in percent of the questions.
public sealed record StudyReference(string First, string Second, double FirstPercent, double SecondPercent, double UndecidedPercent);

/// A study with all its raters' answers.
public sealed record StudyResult
{
    public required string Study { get; init; }

    public required string First { get; init; }

    public required string Second { get; init; }

    public required int Raters { get; init; }

    public required int People { get; init; }

    public required IReadOnlyList<StudyTable> Tables { get; init; }

    /// The model and people of the paper's numbers, which are not ours.
    public string PaperMark { get; } = PaperNumbers.Mark;

    public IReadOnlyList<StudyReference> Paper { get; } = PaperNumbers.IdentityStudies;

    public string ToJson() => JsonSerializer.Serialize(this, StudyJson.Options);
}
