using System.Text.Json;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Nn;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Training;

/// A model under training: its weights, its optimiser and, where it ships, its moving average.
public sealed record Trainee(string Name, AdamW Optimizer, Ema? Average = null)
{
    public Weights Weights => Optimizer.Weights;
}

/// Everything a run needs to go on to the same bits: weights, both moments of the optimiser, the average, and the step. Randomness is a function
/// of (seed, step), so no generator has a state. One safetensors file, written beside and renamed; tensors are `<model>.<kind>.<published key>`.
public static class TrainState
{
    /// `config` is the run's settings as JSON: a resumed run must have the same.
    public static void Save(string path, IReadOnlyList<Trainee> trainees, long step, string config)
    {
        SafetensorsWriter writer = new();
        foreach ((string prefix, Weights weights, Tensor values) in Arrays(trainees))
        {
            float[] host = values.ToArray();
            foreach (Parameter p in weights.Parameters)
                writer.Add($"{prefix}.{p.Name}", p.Published.Dims.ToArray(), p.ToPublished(host.AsSpan(p.Offset, (int)p.Shape.Count)));
        }

        writer.Metadata["step"] = step.ToString();
        writer.Metadata["config"] = config;
        writer.Write(path);
    }

    /// Reads a state back and returns its step; a missing file is the start of a run, step 0.
    public static long LoadIfThere(string path, IReadOnlyList<Trainee> trainees, string config)
    {
        if (!File.Exists(path))
            return 0;
        using SafetensorsReader reader = new(path);
        if (!reader.Metadata.TryGetValue("config", out string? saved) || !SameJson(saved, config))
            throw new IlgdException($"{path}: the run was started with other settings ({saved}); use those, or another output folder");
        foreach ((string prefix, Weights weights, Tensor values) in Arrays(trainees))
        {
            float[] host = new float[values.Count];
            foreach (Parameter p in weights.Parameters)
            {
                string key = $"{prefix}.{p.Name}";
                if (!reader.Contains(key) || reader.Entry(key).Count != p.Shape.Count)
                    throw new IlgdException($"{path}: '{key}' is missing or has another shape than {p.Published}: this state is of another model");
                p.ToHeld(reader.ReadFloat32(key)).CopyTo(host.AsSpan(p.Offset));
            }

            values.CopyFrom(host);
        }

        long step = long.Parse(reader.Metadata["step"]);
        foreach (Trainee trainee in trainees)
        {
            trainee.Optimizer.StepCount = step;
            if (trainee.Average is not null)
                trainee.Average.StepCount = step;
        }

        return step;
    }

    static IEnumerable<(string Prefix, Weights Weights, Tensor Values)> Arrays(IReadOnlyList<Trainee> trainees)
    {
        foreach (Trainee t in trainees)
        {
            yield return ($"{t.Name}.weights", t.Weights, t.Weights.Values);
            yield return ($"{t.Name}.exp_avg", t.Weights, t.Optimizer.First);
            yield return ($"{t.Name}.exp_avg_sq", t.Weights, t.Optimizer.Second);
            if (t.Average is not null)
                yield return ($"{t.Name}.ema", t.Weights, t.Average.Shadow);
        }
    }

    static bool SameJson(string a, string b) => JsonElement.DeepEquals(JsonDocument.Parse(a).RootElement, JsonDocument.Parse(b).RootElement);
}
