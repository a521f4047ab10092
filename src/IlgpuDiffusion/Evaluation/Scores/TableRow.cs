namespace IlgpuDiffusion.Evaluation;

/// What a row is about.
public enum RowKind
{
    /// A method of personalisation.
    Method,

    /// What the numbers are without personalisation, with somebody else's, or with pictures that no model drew: floors and ceilings.
    Control,
}

/// One line of the table: means over people, with their bootstrap intervals. What could not be measured is in `Absent` with the reason, and nowhere else.
public sealed record TableRow
{
    public required string Method { get; init; }

    public required RowKind Kind { get; init; }

    public required int People { get; init; }

    public required IReadOnlyDictionary<Measure, Interval> Scores { get; init; }

    public required IReadOnlyDictionary<Measure, string> Absent { get; init; }

    /// From the photo to the weights, a mean over people; null where nothing is trained.
    public double? Seconds { get; init; }

    /// Of one person's weights.
    public long? Bytes { get; init; }

    /// `reason`: why a measure that a judge could give is not there all the same
    public static TableRow Of(
        string method, RowKind kind, IReadOnlyList<IReadOnlyDictionary<Measure, double>> people, Func<Measure, string> reason, double? seconds = null, long? bytes = null)
    {
        Dictionary<Measure, Interval> scores = [];
        Dictionary<Measure, string> absent = [];
        foreach (Measure measure in Measure.All)
        {
            double[] values = [.. people.Where(p => p.ContainsKey(measure)).Select(p => p[measure])];
            if (values.Length > 0)
                scores.Add(measure, Bootstrap.Mean(values));
            else
                absent.Add(measure, reason(measure));
        }

        return new TableRow { Method = method, Kind = kind, People = people.Count, Scores = scores, Absent = absent, Seconds = seconds, Bytes = bytes };
    }
}
