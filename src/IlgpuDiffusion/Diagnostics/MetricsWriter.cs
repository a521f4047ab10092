using System.Text;
using System.Text.Json;
using IlgpuDiffusion.IO;

namespace IlgpuDiffusion.Diagnostics;

/// `metrics.jsonl`: one JSON object a line, `{"step":12,"time":1.25,"train/loss":0.5}`, appended and flushed line by line, so that the
/// file can be followed while a run goes on. Keys are ecosystem names (train/loss, lr/unet, grad_norm, perf/step_ms). JSON has no
/// NaN: a value that is not finite is written as null.
public sealed class MetricsWriter : IDisposable
{
    readonly FileStream file;
    readonly MemoryStream line = new();
    readonly TimeProvider clock;
    readonly long started;

    /// Appends to `path`. A run that resumes at step n first drops the lines with step ≥ n that the interrupted run had written.
    public MetricsWriter(string path, long? resumeAtStep = null, TimeProvider? clock = null)
    {
        this.clock = clock ?? TimeProvider.System;
        started = this.clock.GetTimestamp();
        if (resumeAtStep is { } step && File.Exists(path))
            DropFrom(path, step);
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        file = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.Read);
    }

    /// One line; `time` is seconds since this writer was opened.
    public void Write(long step, params ReadOnlySpan<(string Key, double Value)> values)
    {
        line.SetLength(0);
        using (Utf8JsonWriter json = new(line))
        {
            json.WriteStartObject();
            json.WriteNumber("step", step);
            json.WriteNumber("time", Math.Round(clock.GetElapsedTime(started).TotalSeconds, 3));
            foreach ((string key, double value) in values)
            {
                if (double.IsFinite(value))
                    json.WriteNumber(key, value);
                else
                    json.WriteNull(key);
            }
            json.WriteEndObject();
        }
        line.WriteByte((byte)'\n');
        file.Write(line.GetBuffer(), 0, (int)line.Length);
        file.Flush();
    }

    public void Dispose() => file.Dispose();

    // Only the last line can be torn, by a kill in the middle of a write; anything else that is not ours is reported.
    static void DropFrom(string path, long step)
    {
        string[] lines = File.ReadAllLines(path);
        StringBuilder kept = new();
        for (int i = 0; i < lines.Length; i++)
        {
            if (StepOf(lines[i]) is { } at)
                kept.Append(at < step ? lines[i] + "\n" : "");
            else if (i < lines.Length - 1)
                throw new IlgdException($"{path}: line {i + 1} is not a JSON object with a number 'step'; move the file away to start a new one");
        }
        AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(kept.ToString())));
    }

    static long? StepOf(string line)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(line);
            return json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("step", out JsonElement step)
                && step.ValueKind == JsonValueKind.Number && step.TryGetInt64(out long value) ? value : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
