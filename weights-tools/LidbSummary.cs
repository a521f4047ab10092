using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.WeightsTools;

/// Our compact LiDB form: what was learned, without the bases that its header names.
sealed record LidbSummary(string File, long Bytes, int Modules, long Parameters, IReadOnlyList<string> Dead, IReadOnlyDictionary<string, string> Metadata) : ISummary
{
    public string Dialect => "lidb";

    public static LidbSummary Of(string path)
    {
        using SafetensorsReader file = new(path);
        string[] ups = [.. file.Names.Where(n => n.EndsWith(".up", StringComparison.Ordinal))];
        return new LidbSummary(
            path,
            new FileInfo(path).Length,
            ups.Length,
            file.Names.Sum(n => file.Entry(n).Count),
            [.. ups.Where(n => file.ReadFloat32(n).All(v => v == 0)).Select(n => n[..^".up".Length])],
            new Dictionary<string, string>(file.Metadata));
    }

    public IEnumerable<string> Lines()
    {
        yield return $"{File}: LiDB, compact";
        yield return $"modules     {Modules}, {Parameters:N0} parameters, {Bytes:N0} bytes";
        yield return Dead.Count == 0 ? "dead        none" : $"dead        {Dead.Count} of {Modules} change nothing: {string.Join(", ", Dead.Take(5))}";
        foreach ((string key, string value) in Metadata.OrderBy(m => m.Key, StringComparer.Ordinal))
            yield return $"  {key} = {value}";
    }
}
