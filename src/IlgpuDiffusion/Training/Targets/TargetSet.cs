using System.Numerics.Tensors;
using System.Text.Json;
using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.Training.Targets;

/// θ of people that were fitted one by one: what a hypernetwork is held to. Each is a vector of <see cref="Adapters.LidbSpace"/>, layer by layer.
public sealed class TargetSet
{
    const string Key = "theta";

    readonly Dictionary<string, int> rows;

    /// values: (people, count), row by row   `config`: the settings they were fitted with, as JSON
    public TargetSet(IReadOnlyList<string> names, float[] values, string config)
    {
        if (names.Count == 0 || values.Length % names.Count != 0)
            throw new ArgumentException($"{values.Length} numbers for {names.Count} people");
        Names = names;
        Values = values;
        Config = config;
        Count = values.Length / names.Count;
        rows = names.Index().ToDictionary(n => n.Item, n => n.Index);
    }

    public IReadOnlyList<string> Names { get; }

    public float[] Values { get; }

    public string Config { get; }

    /// Numbers a person.
    public int Count { get; }

    /// Mean of θ² over all numbers of all people: the error of predicting zero.
    public double Energy => TensorPrimitives.SumOfSquares<float>(Values) / Values.Length;

    /// A person's θ; empty for one who was not fitted.
    public ReadOnlySpan<float> Of(string name) => rows.TryGetValue(name, out int row) ? Values.AsSpan(row * Count, Count) : [];

    public void Save(string path)
    {
        SafetensorsWriter writer = new();
        writer.Metadata["people"] = JsonSerializer.Serialize(Names);
        writer.Metadata["config"] = Config;
        writer.Add(Key, [Names.Count, Count], Values);
        writer.Write(path);
    }

    /// Errors: not a file of targets.
    public static TargetSet Load(string path)
    {
        using SafetensorsReader file = new(path);
        if (!file.Contains(Key) || !file.Metadata.TryGetValue("people", out string? people) || !file.Metadata.TryGetValue("config", out string? config))
            throw new IlgdException($"{path}: no targets: it should hold '{Key}', and 'people' and 'config' in its header");
        string[] names = JsonSerializer.Deserialize<string[]>(people)!;
        if (file.Shape(Key) is not [var rows, _] || rows != names.Length)
            throw new IlgdException($"{path}: '{Key}' is {file.Entry(Key).Describe()} for {names.Length} people");
        return new TargetSet(names, file.ReadFloat32(Key), config);
    }
}
