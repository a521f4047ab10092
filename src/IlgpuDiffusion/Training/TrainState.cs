using System.Text.Json;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Training;

/// Everything a run needs to go on to the same bits: weights, both moments of the optimiser, the average, and the step. Randomness is a function
/// of (seed, step), so no generator has a state. One safetensors file, written beside and renamed; tensors are `<kind>.<published key>`.
public sealed class TrainState(Weights weights, AdamW optimizer, Ema? ema)
{
    /// Steps done.
    public long Step { get; set; }

    /// `config` is the run's settings as JSON: a resumed run must have the same.
    public void Save(string path, string config)
    {
        SafetensorsWriter writer = new();
        foreach ((string kind, Tensor values) in Arrays())
        {
            float[] host = values.ToArray();
            foreach (Parameter p in weights.Parameters)
                writer.Add($"{kind}.{p.Name}", p.ToPublished(host.AsSpan(p.Offset, (int)p.Shape.Count)), p.Published.Dims);
        }

        writer.Metadata["step"] = Step.ToString();
        writer.Metadata["config"] = config;
        writer.Save(path);
    }

    /// Reads a state back. A missing file is the start of a run and returns false.
    public bool TryLoad(string path, string config)
    {
        if (!File.Exists(path))
            return false;
        using SafetensorsReader reader = new(path);
        if (!reader.Metadata.TryGetValue("config", out string? saved) || !SameJson(saved, config))
            throw new IlgdException($"{path}: the run was started with other settings ({saved}); use those, or another output folder");
        foreach ((string kind, Tensor values) in Arrays())
        {
            float[] host = new float[values.Count];
            foreach (Parameter p in weights.Parameters)
            {
                string key = $"{kind}.{p.Name}";
                if (!reader.Contains(key) || reader.Entry(key).Count != p.Shape.Count)
                    throw new IlgdException($"{path}: '{key}' is missing or has another shape than {p.Published}: this state is of another model");
                p.ToHeld(reader.ReadFloat32(key)).CopyTo(host.AsSpan(p.Offset));
            }

            values.CopyFrom(host);
        }

        Step = long.Parse(reader.Metadata["step"]);
        optimizer.StepCount = Step;
        if (ema is not null)
            ema.StepCount = Step;
        return true;
    }

    IEnumerable<(string Kind, Tensor Values)> Arrays()
    {
        yield return ("weights", weights.Values);
        yield return ("exp_avg", optimizer.First);
        yield return ("exp_avg_sq", optimizer.Second);
        if (ema is not null)
            yield return ("ema", ema.Shadow);
    }

    static bool SameJson(string a, string b) => JsonElement.DeepEquals(JsonDocument.Parse(a).RootElement, JsonDocument.Parse(b).RootElement);
}
