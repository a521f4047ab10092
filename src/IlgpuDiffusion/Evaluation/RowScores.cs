namespace IlgpuDiffusion.Evaluation;

/// A row before it is summed up: each person's scores, in the order of the people.
sealed record RowScores(string Method, RowKind Kind, IReadOnlyDictionary<Measure, double>[] ByPerson)
{
    /// Why a measure may be absent in this row, where that is not for want of a judge.
    public string Reason { get; init; } = "nothing of this run measures it";

    /// By person; empty where nothing is trained.
    public double[] Seconds { get; init; } = [];

    public long? Bytes { get; init; }

    public TableRow Of(IReadOnlyList<int> people, Judges judges) => TableRow.Of(
        Method, Kind, [.. people.Select(i => ByPerson[i])],
        measure => judges.Named.ContainsKey(measure.Judge) ? Reason : Judges.WhyNot(measure.Judge),
        Seconds.Length > 0 ? people.Average(i => Seconds[i]) : null,
        Bytes);

    /// Of the people who have a measure in both rows.
    public PairedDifference Less(RowScores other, IReadOnlyList<int> people) => new(
        Method, other.Method,
        (from measure in Measure.All
         let differences = people.Where(i => ByPerson[i].ContainsKey(measure) && other.ByPerson[i].ContainsKey(measure)).Select(i => ByPerson[i][measure] - other.ByPerson[i][measure]).ToArray()
         where differences.Length > 0
         select (measure, Bootstrap.Mean(differences))).ToDictionary(d => d.measure, d => d.Item2));

    /// The mean over seeds of one person's scores.
    public static IReadOnlyDictionary<Measure, double> Mean(IReadOnlyList<IReadOnlyDictionary<Measure, double>> seeds) =>
        Measure.All.Where(seeds[0].ContainsKey).ToDictionary(m => m, m => seeds.Average(s => s[m]));
}
