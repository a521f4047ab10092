using System.Text.Json;
using IlgpuDiffusion.Adapters;
using IlgpuDiffusion.IO.Keys;

namespace IlgpuDiffusion.WeightsTools;

/// One module; of ΔW at its own scale: norm is Frobenius', rms that over the root of the number of elements, in the weights' own unit.
sealed record ModuleSummary(string Name, string Key, int Rank, double? Alpha, float Scale, int OutFeatures, int InFeatures, double Norm, double Rms);

/// How many of a kind of layer the adapter changes.
sealed record CoverageSummary(string Kind, int Modules, double SmallestRms, double LargestRms);

/// A LoRA of any dialect.
sealed record AdapterSummary(
    string File, string Dialect, long Bytes, long Parameters, IReadOnlyDictionary<string, int> Dtypes, IReadOnlyList<string> TriggerWords,
    IReadOnlyList<CoverageSummary> Coverage, IReadOnlyList<ModuleSummary> Modules, IReadOnlyDictionary<string, string> Metadata) : ISummary
{
    const int Listed = 5;

    public static AdapterSummary Of(AdapterFile file)
    {
        ModuleSummary[] modules = [.. file.Modules.Select(Module)];
        return new AdapterSummary(
            file.Path,
            file.Dialect,
            BytesOf(file.Path),
            file.Modules.Sum(m => (long)m.Down.Length + m.Up.Length),
            file.Modules.GroupBy(m => m.Storage.ToString()).ToDictionary(g => g.Key, g => g.Count()),
            Triggers(file.Metadata),
            [
                .. file.Modules.Zip(modules).GroupBy(m => Kind(m.First)).OrderBy(g => g.Key, StringComparer.Ordinal)
                    .Select(g => new CoverageSummary(g.Key, g.Count(), g.Min(m => m.Second.Rms), g.Max(m => m.Second.Rms))),
            ],
            modules,
            file.Metadata);
    }

    /// Modules that change nothing.
    public IReadOnlyList<string> Dead => [.. Modules.Where(m => m.Rms == 0).Select(m => m.Name)];

    public IEnumerable<string> Lines()
    {
        yield return $"{File}: LoRA, dialect {Dialect}";
        yield return $"modules     {Modules.Count}, {Parameters:N0} parameters, {Bytes:N0} bytes, {string.Join(", ", Dtypes.Select(d => $"{d.Key} {d.Value}"))}";
        foreach (CoverageSummary kind in Coverage)
            yield return $"  {kind.Kind,-15} {kind.Modules,4} modules, rms of ΔW {kind.SmallestRms:0.0e+0} to {kind.LargestRms:0.0e+0}";
        yield return $"rank        {Values(m => $"{m.Rank}")}";
        yield return $"alpha       {Values(m => m.Alpha is { } alpha ? $"{alpha}" : "none")}";
        yield return $"scale       {Values(m => $"{m.Scale}")}";
        yield return Dead.Count == 0 ? "dead        none" : $"dead        {Dead.Count} of {Modules.Count} change nothing: {string.Join(", ", Dead.Take(Listed))}{(Dead.Count > Listed ? ", …" : "")}";
        yield return "strongest   " + string.Join(", ", Modules.OrderByDescending(m => m.Rms).Take(Listed).Select(m => $"{m.Name} {m.Rms:0.0e+0}"));
        yield return $"words       {(TriggerWords.Count > 0 ? string.Join(", ", TriggerWords.Take(2 * Listed)) : "none in the header")}";
        foreach ((string key, string value) in Metadata.OrderBy(m => m.Key, StringComparer.Ordinal))
            yield return $"  {key} = {(value.Length > 100 ? $"{value.AsSpan(0, 100)}…" : value)}";
    }

    static ModuleSummary Module(AdapterModule m)
    {
        double rms = m.Rms();
        return new ModuleSummary(m.Name, m.Path, m.Rank, m.Alpha, m.Scale, m.OutFeatures, m.InFeatures, rms * Math.Sqrt((double)m.OutFeatures * m.InFeatures), rms);
    }

    static long BytesOf(string path) => Directory.Exists(path)
        ? Directory.EnumerateFiles(path, "*.safetensors", SearchOption.AllDirectories).Sum(f => new FileInfo(f).Length)
        : new FileInfo(path).Length;

    // What its maker says to write, and the tags of its pictures, the most frequent first.
    static List<string> Triggers(IReadOnlyDictionary<string, string> metadata)
    {
        List<string> words = metadata.TryGetValue("modelspec.trigger_phrase", out string? phrase) ? [phrase] : [];
        if (!metadata.TryGetValue("ss_tag_frequency", out string? tags))
            return words;
        try
        {
            using JsonDocument json = JsonDocument.Parse(tags);
            words.AddRange(json.RootElement.EnumerateObject().SelectMany(folder => folder.Value.EnumerateObject())
                .OrderByDescending(tag => tag.Value.GetInt32()).Select(tag => tag.Name.Trim()).Distinct().Except(words));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            words.Add("(ss_tag_frequency of the header is not readable)");
        }

        return words;
    }

    string Values(Func<ModuleSummary, string> of) => string.Join(", ", Modules.GroupBy(of).Select(g => Modules.Count == g.Count() ? g.Key : $"{g.Key} ({g.Count()} modules)"));

    // What a module is for, from its published key.
    static string Kind(AdapterModule m)
    {
        (string Piece, string Kind)[] kinds =
        [
            (".attn1.", "self-attention"), (".attn2.", "cross-attention"), (".ff.net", "feed-forward"), (".proj_", "projection"), (".resnets.", "resnet"),
            (".self_attn.", "text attention"), (".mlp.", "text mlp"),
        ];
        return kinds.FirstOrDefault(k => m.Key.Contains(k.Piece, StringComparison.Ordinal)).Kind ?? (m.Component == AdapterKey.Unet ? "unet, other" : "text, other");
    }
}
