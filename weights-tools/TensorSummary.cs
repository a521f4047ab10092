using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.WeightsTools;

/// Any other safetensors file.
sealed record TensorSummary(string File, long Bytes, long Parameters, IReadOnlyDictionary<string, string> Tensors, IReadOnlyDictionary<string, string> Metadata) : ISummary
{
    public static TensorSummary Of(string path)
    {
        using SafetensorsReader file = new(path);
        return new TensorSummary(
            path,
            new FileInfo(path).Length,
            file.Names.Sum(n => file.Entry(n).Count),
            file.Names.ToDictionary(n => n, n => file.Entry(n).Describe()),
            new Dictionary<string, string>(file.Metadata));
    }

    public IEnumerable<string> Lines()
    {
        yield return $"{File}: {Tensors.Count} tensors, {Parameters:N0} numbers, {Bytes:N0} bytes";
        foreach ((string name, string description) in Tensors)
            yield return $"  {name}  {description}";
        foreach ((string key, string value) in Metadata.OrderBy(m => m.Key, StringComparer.Ordinal))
            yield return $"  {key} = {(value.Length > 100 ? $"{value.AsSpan(0, 100)}…" : value)}";
    }
}
