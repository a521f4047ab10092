using IlgpuDiffusion.Nn;

namespace IlgpuDiffusion.IO;

/// The parameters of a model from a file in any dialect, and back to a file in the published one.
public static class WeightsFile
{
    const int Listed = 5;

    /// Our key -> the file's key. `dialect` translates a key of the file, null where the tensor is none of the model's and may be ignored.
    /// Errors: missing, unexpected and wrong-shaped keys, all in one message. Reads no data and needs no memory for the model.
    /// `pointwise`: keys of the file that hold a linear layer as a 1 × 1 convolution, or as the matrix it is.
    public static IReadOnlyDictionary<string, string> Match(
        Weights weights, TensorSource file, Func<string, string?> dialect, Func<string, bool>? pointwise = null)
    {
        Dictionary<string, string> matched = [];
        List<string> unexpected = [], wrong = [];
        foreach (string name in file.Names)
        {
            if (dialect(name) is not { } key)
                continue;
            if (!weights.Contains(key) || !matched.TryAdd(key, name))
                unexpected.Add($"'{name}'");
            else if (!weights[key].Published.Dims.SequenceEqual(file.Shape(name)) && !(pointwise?.Invoke(name) == true && Pointwise(weights[key].Published, file.Shape(name))))
                wrong.Add($"'{name}' is [{string.Join(", ", file.Shape(name))}] and should be {weights[key].Published}");
        }

        List<string> missing = [.. weights.Parameters.Where(p => !matched.ContainsKey(p.Name)).Select(p => $"'{p.Name}'")];
        if (missing.Count + unexpected.Count + wrong.Count == 0)
            return matched;
        string[] problems = [Describe("missing", missing), Describe("unexpected", unexpected), Describe("of wrong shape", wrong)];
        throw new IlgdException($"{file.Path}: does not fit the model its config.json describes: {string.Join("; ", problems.Where(p => p.Length > 0))}");
    }

    /// Fills parameters that have memory, one at a time.
    public static void Read(Weights weights, TensorSource file, IReadOnlyDictionary<string, string> matched)
    {
        if (weights.Device!.Plans)
            return;
        int longest = (int)weights.Parameters.Max(p => p.Shape.Count);
        float[] published = new float[longest], held = new float[longest];
        foreach (Parameter p in weights.Parameters)
        {
            Span<float> values = published.AsSpan(0, (int)p.Shape.Count);
            file.ReadFloat32(matched[p.Name], values);
            p.Value.CopyFrom(p.ToHeld(values, held));
        }
    }

    /// Writes all parameters under their published keys and shapes, as F32, F16 or BF16. `values`: in published order, where the parameters have no memory.
    public static void Write(Weights weights, string path, SafetensorsDType dtype = SafetensorsDType.F32, Func<Parameter, float[]>? values = null)
    {
        SafetensorsWriter writer = new();
        writer.Metadata["format"] = "pt";   // transformers refuses a file without
        foreach (Parameter p in weights.Parameters)
            writer.Add(p.Name, p.Published.Dims.ToArray(), () => values?.Invoke(p) ?? p.ToPublished(p.Value.ToArray()), dtype);
        writer.Write(path);
    }

    static bool Pointwise(Tensors.Shape linear, int[] shape) => shape.AsSpan().SequenceEqual([.. linear.Dims, 1, 1]);

    static string Describe(string what, List<string> items) => items.Count == 0 ? "" :
        $"{items.Count} {what}: {string.Join(", ", items.Take(Listed))}{(items.Count > Listed ? $" and {items.Count - Listed} more" : "")}";
}
