using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using IlgpuDiffusion.IO;
using IlgpuDiffusion.Kernels.Common;

namespace IlgpuDiffusion.Diagnostics.Profiling;

/// All launches of one operation: how many, how long without compiling, what they worked, and how near that is to the roof.
public sealed record ProfileRow(string Operation, string Shape, long Calls, double Seconds, double Share, long Flops, long Bytes, double ShareOfRoof, double CompileSeconds)
{
    public double FlopsPerSecond => Seconds > 0 ? Flops / Seconds : 0;

    public double BytesPerSecond => Seconds > 0 ? Bytes / Seconds : 0;
}

/// What a profiler saw, summed up: the whole of what `ilgd profile` prints and writes. Launches that launchers make are in their callers' rows.
public sealed class Profile
{
    static readonly JsonSerializerOptions Layout = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    readonly Profiler seen;

    public Profile(Profiler seen, MachineRoof roof)
    {
        this.seen = seen;
        Roof = roof;
        LaunchEvent[] outer = [.. seen.Launches.Where(l => l.Depth == 0)];
        Device = seen.Observed?.Name ?? "";
        Seconds = outer.Length == 0 ? 0 : Elapsed(outer.Min(l => l.Begin), outer.Max(l => l.End));
        // On a stream of its own a launch takes what the device took, and the host's time is that of handing it over.
        bool queued = Device is "cuda" or "opencl";
        Dictionary<long, double> onDevice = queued ? seen.Runs.GroupBy(r => r.Launch).ToDictionary(g => g.Key, g => g.Sum(r => Elapsed(r.Begin, r.End))) : [];
        Operations = Rows(outer, l => (l.Operation, ""));
        Shapes = Rows(outer, l => (l.Operation, l.Shape));
        Peaks = [.. seen.Memory.GroupBy(m => m.Owner).Select(g => (g.Key, g.Max(m => m.Bytes))).OrderByDescending(p => p.Item2)];

        IReadOnlyList<ProfileRow> Rows(LaunchEvent[] launches, Func<LaunchEvent, (string, string)> by) =>
        [
            .. launches.GroupBy(by).Select(g =>
            {
                double seconds = g.Sum(l => queued ? onDevice.GetValueOrDefault(l.Id) : Elapsed(l.Begin, l.End - l.Compile));
                Work work = new(g.Sum(l => l.Work.Flops), g.Sum(l => l.Work.Bytes));
                return new ProfileRow(
                    g.Key.Item1, g.Key.Item2, g.Count(), seconds, Seconds > 0 ? seconds / Seconds : 0, work.Flops, work.Bytes, roof.ShareOf(work, seconds), Elapsed(0, g.Sum(l => l.Compile)));
            }).OrderByDescending(r => r.Seconds),
        ];
    }

    public string Device { get; }

    public MachineRoof Roof { get; }

    /// From the first launch to the end of the last.
    public double Seconds { get; }

    public int Steps => seen.Steps.Count;

    /// The dearest operation first.
    public IReadOnlyList<ProfileRow> Operations { get; }

    /// The same for each shape.
    public IReadOnlyList<ProfileRow> Shapes { get; }

    /// The most that each owner held.
    public IReadOnlyList<(string Owner, long Bytes)> Peaks { get; }

    /// Time in compiling, which is in no row's time.
    public double CompileSeconds => Operations.Sum(r => r.CompileSeconds);

    /// Time in which the host did something else than launch.
    public double OutsideSeconds => Math.Max(0, Seconds - Operations.Sum(r => r.Seconds) - CompileSeconds);

    public string Table()
    {
        CultureInfo culture = CultureInfo.InvariantCulture;
        StringBuilder text = new();
        text.AppendLine(culture, $"{"operation",-32} {"calls",8} {"time ms",11} {"share",7} {"GFLOP",10} {"GB",9} {"GFLOP/s",9} {"GB/s",8} {"roof",6} {"compile ms",11}");
        foreach (ProfileRow r in Operations)
        {
            text.AppendLine(
                culture,
                $"{r.Operation,-32} {r.Calls,8} {r.Seconds * 1e3,11:N2} {r.Share,7:P1} {r.Flops / 1e9,10:N3} {r.Bytes / 1e9,9:N3} {r.FlopsPerSecond / 1e9,9:N1} {r.BytesPerSecond / 1e9,8:N1} {r.ShareOfRoof,6:P0} {r.CompileSeconds * 1e3,11:N1}");
        }

        text.AppendLine(culture, $"{"compiling, at first launches",-32} {"",8} {CompileSeconds * 1e3,11:N2} {Part(CompileSeconds),7:P1}");
        text.AppendLine(culture, $"{"host, between launches",-32} {"",8} {OutsideSeconds * 1e3,11:N2} {Part(OutsideSeconds),7:P1}");
        text.AppendLine(culture, $"{Steps} steps, {Operations.Sum(r => r.Calls)} launches, {Seconds:N2} s on {Device}; roof {Roof.FlopsPerSecond / 1e9:N1} GFLOP/s and {Roof.BytesPerSecond / 1e9:N1} GB/s, measured now");
        text.AppendLine("most memory held by owner:");
        foreach ((string owner, long bytes) in Peaks)
            text.AppendLine(culture, $"  {bytes / 1e6,10:N1} MB  {owner}");
        return text.ToString();
    }

    /// Writes profile.json, trace.json (for ui.perfetto.dev), roofline.svg and memory.svg.
    public void Write(string folder)
    {
        Directory.CreateDirectory(folder);
        AtomicFile.Write(Path.Combine(folder, "trace.json"), stream => ChromeTrace.Write(stream, seen, Device));
        Text("roofline.svg", RooflineSvg.Render(this));
        Text("memory.svg", MemorySvg.Render(seen.Memory));
        Text("profile.json", JsonSerializer.Serialize(
            new
            {
                Device,
                Steps,
                Seconds,
                CompileSeconds,
                OutsideSeconds,
                Roof,
                Operations,
                Shapes,
                PeakBytes = Peaks.ToDictionary(p => p.Owner, p => p.Bytes),
            },
            Layout));

        void Text(string name, string text) => AtomicFile.Write(Path.Combine(folder, name), stream => stream.Write(Encoding.UTF8.GetBytes(text)));
    }

    double Part(double seconds) => Seconds > 0 ? seconds / Seconds : 0;

    static double Elapsed(long begin, long end) => (double)(end - begin) / Stopwatch.Frequency;
}
