using System.Text.Json;

namespace IlgpuDiffusion.IO;

/// A model cut into several safetensors files: `*.safetensors.index.json` maps every tensor to its file ("weight_map").
/// Errors: a shard that is missing or outside the folder; a tensor that is in the map or in a shard but not in both.
public sealed class ShardedSafetensors : TensorSource
{
    readonly Dictionary<string, SafetensorsReader> shards = new(StringComparer.Ordinal);
    readonly Dictionary<string, SafetensorsReader> byName = new(StringComparer.Ordinal);

    public ShardedSafetensors(string indexPath)
    {
        Path = indexPath;
        try
        {
            foreach ((string name, string file) in ReadWeightMap(indexPath))
            {
                SafetensorsReader shard = Shard(file);
                if (!shard.Contains(name))
                    throw new IlgdException($"{indexPath}: tensor \"{name}\" is not in {file}");
                if (!byName.TryAdd(name, shard))
                    throw new IlgdException($"{indexPath}: tensor \"{name}\" is there twice");
            }

            foreach (SafetensorsReader shard in shards.Values)
            {
                foreach (string name in shard.Names)
                {
                    if (byName.GetValueOrDefault(name) != shard)
                        throw new IlgdException($"{indexPath}: tensor \"{name}\" of {shard.Path} is not in the weight_map");
                }
            }
        }
        catch
        {
            Dispose();
            throw;
        }

        Names = [.. shards.OrderBy(s => s.Key, StringComparer.Ordinal).SelectMany(s => s.Value.Names)];
    }

    public override string Path { get; }

    public override IReadOnlyList<string> Names { get; }

    /// That of the first shard: writers put the same into all.
    public override IReadOnlyDictionary<string, string> Metadata =>
        shards.OrderBy(s => s.Key, StringComparer.Ordinal).Select(s => s.Value.Metadata).FirstOrDefault() ?? new Dictionary<string, string>();

    public override bool Contains(string name) => byName.ContainsKey(name);

    public override SafetensorsEntry Entry(string name) => ShardOf(name).Entry(name);

    public override ReadOnlySpan<byte> Bytes(string name) => ShardOf(name).Bytes(name);

    protected internal override void Read(string name, long offset, Span<byte> destination) => ShardOf(name).Read(name, offset, destination);

    public override void Dispose()
    {
        foreach (SafetensorsReader shard in shards.Values)
            shard.Dispose();
    }

    SafetensorsReader ShardOf(string name) =>
        byName.TryGetValue(name, out SafetensorsReader? shard) ? shard : throw new IlgdException($"{Path}: no tensor \"{name}\"");

    SafetensorsReader Shard(string file)
    {
        if (shards.TryGetValue(file, out SafetensorsReader? open))
            return open;
        if (file != System.IO.Path.GetFileName(file) || file.Length == 0)
            throw new IlgdException($"{Path}: shard \"{file}\" must be a file name in the same folder");
        return shards[file] = new(System.IO.Path.Combine(System.IO.Path.GetDirectoryName(Path) ?? "", file));
    }

    static List<(string Name, string File)> ReadWeightMap(string path)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(path));
            return json.RootElement.TryGetProperty("weight_map", out JsonElement map)
                ? [.. map.EnumerateObject().Select(p => (p.Name, p.Value.GetString() ?? ""))]
                : throw new IlgdException($"{path}: no \"weight_map\"");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IlgdException($"{path}: cannot be read: {e.Message}", e);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new IlgdException($"{path}: not a valid index: {e.Message}", e);
        }
    }
}
