using IlgpuDiffusion.Adapters;

namespace IlgpuDiffusion.WeightsTools;

/// One module: rms is of ΔW at strength 1, in the weights' own unit.
sealed record ModuleSummary(string Name, int Rank, float? Alpha, int OutFeatures, int InFeatures, double Rms);

/// A LoRA of any dialect.
sealed record AdapterSummary(
    string File, string Dialect, long Bytes, long Parameters, IReadOnlyList<ModuleSummary> Modules, IReadOnlyDictionary<string, string> Metadata) : ISummary
{
    const int Listed = 5;

    public static AdapterSummary Of(AdapterFile file) => new(
        file.Path,
        file.Dialect,
        new FileInfo(file.Path).Length,
        file.Modules.Sum(m => (long)m.Down.Length + m.Up.Length),
        [.. file.Modules.Select(m => new ModuleSummary(m.Name, m.Rank, m.Alpha, m.OutFeatures, m.InFeatures, m.Rms()))],
        file.Metadata);

    /// Modules that change nothing.
    public IReadOnlyList<string> Dead => [.. Modules.Where(m => m.Rms == 0).Select(m => m.Name)];

    public IEnumerable<string> Lines()
    {
        yield return $"{File}: LoRA, dialect {Dialect}";
        yield return $"modules     {Modules.Count}, {Parameters:N0} parameters, {Bytes:N0} bytes";
        foreach (IGrouping<string, ModuleSummary> kind in Modules.GroupBy(m => Kind(m.Name)).OrderBy(g => g.Key, StringComparer.Ordinal))
            yield return $"  {kind.Key,-15} {kind.Count(),4} modules, rms of ΔW {kind.Min(m => m.Rms):0.0e+0} to {kind.Max(m => m.Rms):0.0e+0}";
        yield return $"rank        {Values(m => $"{m.Rank}")}";
        yield return $"alpha       {Values(m => m.Alpha is { } alpha ? $"{alpha}" : "none (scale 1)")}";
        yield return Dead.Count == 0 ? "dead        none" : $"dead        {Dead.Count} of {Modules.Count} change nothing: {string.Join(", ", Dead.Take(Listed))}{(Dead.Count > Listed ? ", …" : "")}";
        yield return "strongest   " + string.Join(", ", Modules.OrderByDescending(m => m.Rms).Take(Listed).Select(m => $"{m.Name} {m.Rms:0.0e+0}"));
        foreach ((string key, string value) in Metadata.OrderBy(m => m.Key, StringComparer.Ordinal))
            yield return $"  {key} = {(value.Length > 100 ? $"{value.AsSpan(0, 100)}…" : value)}";
    }

    string Values(Func<ModuleSummary, string> of) => string.Join(", ", Modules.GroupBy(of).Select(g => Modules.Count == g.Count() ? g.Key : $"{g.Key} ({g.Count()} modules)"));

    // What a module is for, from the end of its name.
    static string Kind(string name)
    {
        string dotted = name.Replace('_', '.');
        (string Piece, string Kind)[] kinds =
        [
            ("attn1.", "self-attention"), ("attn2.", "cross-attention"), ("ff.net", "feed-forward"), ("self.attn", "text attention"), ("mlp", "text mlp"),
        ];
        return kinds.FirstOrDefault(k => dotted.Contains(k.Piece, StringComparison.Ordinal)).Kind ?? "other";
    }
}
