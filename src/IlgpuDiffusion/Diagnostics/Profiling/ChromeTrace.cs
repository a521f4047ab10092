using System.Diagnostics;
using System.Text.Json;

namespace IlgpuDiffusion.Diagnostics.Profiling;

/// Chrome's trace event format (JSON object form), which ui.perfetto.dev and chrome://tracing open: launches on a track of the host, their runs on tracks of the device, an arrow from each
/// launch to its runs, memory by owner as counters, steps as instants. Times in microseconds from the first event on.
public static class ChromeTrace
{
    const int Host = 1, Device = 2;

    public static void Write(Stream to, Profiler seen, string device)
    {
        using Utf8JsonWriter json = new(to);
        long origin = new[]
        {
            seen.Launches.Select(l => l.Begin).DefaultIfEmpty(long.MaxValue).Min(),
            seen.Memory.Select(m => m.At).DefaultIfEmpty(long.MaxValue).Min(),
        }.Min();
        Dictionary<long, LaunchEvent> launches = seen.Launches.ToDictionary(l => l.Id);
        json.WriteStartObject();
        json.WriteString("displayTimeUnit", "ms");
        json.WriteStartArray("traceEvents");
        Name("process_name", Host, 0, "host");
        Name("thread_name", Host, 1, "launches");
        Name("process_name", Device, 0, device);
        foreach (int track in seen.Runs.Select(r => r.Track).Distinct().Order())
            Name("thread_name", Device, track, device == "cpu" ? $"thread {track}" : $"stream {track}");

        foreach (LaunchEvent l in seen.Launches)
        {
            Slice(l.Operation, Host, 1, l.Begin, l.End);
            json.WriteStartObject("args");
            json.WriteString("shape", l.Shape);
            json.WriteNumber("flops", l.Work.Flops);
            json.WriteNumber("bytes", l.Work.Bytes);
            json.WriteNumber("compile_us", Math.Round(Microseconds(l.Compile), 3));
            json.WriteEndObject();
            json.WriteEndObject();
        }

        long flow = 0;
        foreach (RunEvent r in seen.Runs)
        {
            // A launch that was cut off by the end of the recording has runs and no event of its own.
            if (!launches.TryGetValue(r.Launch, out LaunchEvent? launch))
                continue;
            Slice(launch.Operation, Device, r.Track, r.Begin, r.End);
            json.WriteEndObject();
            Flow("s", Host, 1, launch.Begin, ++flow);
            Flow("f", Device, r.Track, r.Begin, flow);
        }

        foreach (MemoryEvent m in seen.Memory)
        {
            Event("C", $"memory: {m.Owner}", Device, 0, m.At);
            json.WriteStartObject("args");
            json.WriteNumber("bytes", m.Bytes);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        for (int i = 0; i < seen.Steps.Count; i++)
        {
            Event("i", $"step {i + 1} ends", Host, 1, seen.Steps[i]);
            json.WriteString("s", "g");
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();

        void Name(string kind, int process, int thread, string name)
        {
            json.WriteStartObject();
            json.WriteString("ph", "M");
            json.WriteString("name", kind);
            json.WriteNumber("pid", process);
            json.WriteNumber("tid", thread);
            json.WriteStartObject("args");
            json.WriteString("name", name);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        void Event(string phase, string name, int process, int thread, long at)
        {
            json.WriteStartObject();
            json.WriteString("ph", phase);
            json.WriteString("name", name);
            json.WriteNumber("pid", process);
            json.WriteNumber("tid", thread);
            json.WriteNumber("ts", Math.Round(Microseconds(at - origin), 3));
        }

        void Slice(string name, int process, int thread, long begin, long end)
        {
            Event("X", name, process, thread, begin);
            json.WriteNumber("dur", Math.Round(Microseconds(end - begin), 3));
        }

        void Flow(string phase, int process, int thread, long at, long id)
        {
            Event(phase, "launch", process, thread, at);
            json.WriteString("cat", "launch");
            json.WriteNumber("id", id);
            if (phase == "f")
                json.WriteString("bp", "e");
            json.WriteEndObject();
        }
    }

    static double Microseconds(long ticks) => ticks * 1e6 / Stopwatch.Frequency;
}
