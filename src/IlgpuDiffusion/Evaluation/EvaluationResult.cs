namespace IlgpuDiffusion.Evaluation;

/// The rows of some of the people.
public sealed record TableGroup(string Name, int People, IReadOnlyList<TableRow> Rows, IReadOnlyList<PairedDifference> Differences);

/// One row less another, person by person: its interval says whether the two differ, which those of the rows alone do not.
public sealed record PairedDifference(string Method, string Minus, IReadOnlyDictionary<Measure, Interval> Scores);

/// One person's scores in one row.
public sealed record PersonScores(string Group, string Person, string Method, IReadOnlyDictionary<Measure, double> Scores);

/// Methods compared where they follow prompts equally well: `Share` of what the model as it is does, which is a `Prompt` of so much.
public sealed record EqualPrompt(double Share, double Prompt, IReadOnlyDictionary<string, double?> Fidelity, IReadOnlyList<SecondsTo> Seconds);

/// How long each method takes to be as faithful as another one is at its best, at that prompt-following; null where it never is.
public sealed record SecondsTo(string Reference, double Fidelity, IReadOnlyDictionary<string, double?> Seconds);

/// What an evaluation found.
public sealed record EvaluationResult
{
    public required EvaluationRun Settings { get; init; }

    public required RunFacts Facts { get; init; }

    /// Everybody's first; then, where there are several folders of people, each one's.
    public required IReadOnlyList<TableGroup> Groups { get; init; }

    public IReadOnlyList<TableRow> Rows => Groups[0].Rows;

    public required IReadOnlyList<PersonScores> People { get; init; }

    public required IReadOnlyList<Curve> Curves { get; init; }

    public required IReadOnlyList<EqualPrompt> Equal { get; init; }

    /// Trials that were run, and that were there from an earlier run.
    public required int Made { get; init; }

    public required int Found { get; init; }
}

/// Which networks were at work: hashes, by judge null where there is none. `OwnJudge`: faces are judged by the very network that the hypernetwork sees with.
public sealed record RunFacts(string Model, IReadOnlyDictionary<string, string?> Judges, bool OwnJudge);
