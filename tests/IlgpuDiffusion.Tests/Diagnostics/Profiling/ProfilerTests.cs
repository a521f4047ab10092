using System.Text.Json;
using System.Xml.Linq;
using IlgpuDiffusion.Autograd;
using IlgpuDiffusion.Diagnostics.Profiling;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Tests.Diagnostics.Profiling;

/// What is seen of a small step that is known to the last launch, on devices of their own.
public class ProfilerTests
{
    // A round roof: 1 GFLOP/s and 1 GB/s.
    static readonly MachineRoof Roof = new(1e9, 1e9);

    [Theory]
    [InlineData("cpu")]
    [InlineData("cpu-sim")]
    [InlineData("ptx-sim")]
    public void Every_launch_is_seen_with_its_work_and_its_run(string name)
    {
        Profiler seen = new();
        Steps(name, seen, steps: 2);
        LaunchEvent[] outer = [.. seen.Launches.Where(l => l.Depth == 0)];
        Assert.Equal(["LoraLinear.Forward", "Add.Forward", "LoraLinear.Forward", "Add.Forward"], outer.Select(l => l.Operation));
        // x (4, 8), W (16, 8), rank 2: 2·4·(8·16 + 2·24) flops; and 64 additions.
        Assert.Equal([1408, 64, 1408, 64], outer.Select(l => l.Work.Flops));
        Assert.Equal(3 * 64 * sizeof(float), outer[1].Work.Bytes);
        // The layer's small product is a launch of its own, inside.
        Assert.Contains(seen.Launches, l => l is { Depth: 1, Operation: "MatMul.Forward" } && l.Begin >= outer[0].Begin && l.End <= outer[0].End);
        Assert.All(outer, l => Assert.InRange(l.Compile, 0, l.End - l.Begin));
        // On `cpu` the runtime compiles a kernel once for all devices of the process, which may have been before.
        if (name != "cpu")
            Assert.True(outer[0].Compile > 0, "the first launch compiled nothing");
        Assert.Equal(2, seen.Steps.Count);

        // The interpreter has no tracks of its own.
        Assert.Equal(name != "ptx-sim", seen.Runs.Count > 0);
        long slack = name == "cpu" ? 0 : System.Diagnostics.Stopwatch.Frequency / 100;
        Assert.All(seen.Runs, r =>
        {
            LaunchEvent launch = outer.Single(l => l.Id == r.Launch);
            Assert.True(r.Begin >= launch.Begin - slack && r.Begin <= r.End, $"{launch.Operation} ran before it was launched");
        });
    }

    [Fact]
    public void Memory_by_owner_adds_up_to_what_the_device_holds()
    {
        Profiler seen = new();
        long peak = Steps("cpu", seen, steps: 1);
        Dictionary<string, long> held = [];
        long most = 0;
        foreach (MemoryEvent m in seen.Memory.Where(m => m.Owner != Profiler.ArenaUse))
        {
            held[m.Owner] = m.Bytes;
            most = Math.Max(most, held.Values.Sum());
        }

        Assert.Equal(peak, most);
        Assert.Equal(0, held.Values.Sum());
        Assert.Contains(seen.Memory, m => m is { Owner: Profiler.ArenaUse, Bytes: > 0 });
    }

    [Fact]
    public void The_table_adds_up_and_compiling_is_apart()
    {
        Profiler seen = new();
        Steps("cpu", seen, steps: 3);
        Profile profile = new(seen, Roof);
        ProfileRow add = profile.Operations.Single(r => r.Operation == "Add.Forward");
        Assert.Equal((3, 3 * 64, 3L * 3 * 64 * sizeof(float)), (add.Calls, add.Flops, add.Bytes));
        Assert.Equal(profile.Seconds, profile.Operations.Sum(r => r.Seconds) + profile.CompileSeconds + profile.OutsideSeconds, 9);
        // 192 bytes for each of 16 flops: the roof of memory is the nearer one.
        Assert.Equal(add.Bytes / 1e9 / add.Seconds, add.ShareOfRoof, 9);
        string table = profile.Table();
        Assert.Contains("LoraLinear.Forward", table, StringComparison.Ordinal);
        Assert.DoesNotContain("MatMul.Forward", table, StringComparison.Ordinal);
        Assert.Contains("compiling, at first launches", table, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("cpu")]
    [InlineData("cpu-sim")]
    public void The_trace_is_what_perfetto_reads(string name)
    {
        Profiler seen = new();
        Steps(name, seen, steps: 2);
        using MemoryStream stream = new();
        ChromeTrace.Write(stream, seen, name);
        using JsonDocument json = JsonDocument.Parse(stream.ToArray());
        JsonElement[] events = [.. json.RootElement.GetProperty("traceEvents").EnumerateArray()];
        JsonElement[] slices = [.. Of("X")], starts = [.. Of("s")], ends = [.. Of("f")];
        Assert.Equal(seen.Launches.Count + seen.Runs.Count, slices.Length);
        Assert.Equal(["host", name], Of("M").Where(e => e.GetProperty("name").GetString() == "process_name").Select(e => e.GetProperty("args").GetProperty("name").GetString()!));

        // Slices of a track nest or are apart: Perfetto drops others.
        foreach (IGrouping<(int, int), JsonElement> track in slices.GroupBy(e => (e.GetProperty("pid").GetInt32(), e.GetProperty("tid").GetInt32())))
        {
            Stack<double> open = new();
            foreach (JsonElement e in track.OrderBy(At).ThenByDescending(e => e.GetProperty("dur").GetDouble()))
            {
                while (open.Count > 0 && open.Peek() <= At(e) + 0.002)
                    open.Pop();
                double end = At(e) + e.GetProperty("dur").GetDouble();
                Assert.True(open.Count == 0 || end <= open.Peek() + 0.002, $"{e} crosses the end of the slice around it");
                open.Push(end);
            }
        }

        // Each arrow starts inside a launch and ends where a run begins.
        Assert.Equal(seen.Runs.Count, starts.Length);
        Assert.Equal(starts.Select(Id), ends.Select(Id));
        Assert.All(starts, s => Assert.Contains(slices, x => x.GetProperty("pid").GetInt32() == 1 && At(x) == At(s)));
        Assert.All(ends, f => Assert.Contains(slices, x => x.GetProperty("pid").GetInt32() == 2 && At(x) == At(f) && x.GetProperty("tid").GetInt32() == f.GetProperty("tid").GetInt32()));
        Assert.Contains(Of("C"), e => e.GetProperty("name").GetString() == "memory: activations");
        Assert.Equal(2, Of("i").Count());

        IEnumerable<JsonElement> Of(string phase) => events.Where(e => e.GetProperty("ph").GetString() == phase);
        static double At(JsonElement e) => e.GetProperty("ts").GetDouble();
        static long Id(JsonElement e) => e.GetProperty("id").GetInt64();
    }

    [Fact]
    public void Recording_ends_after_the_steps_asked_for()
    {
        int told = 0;
        Profiler seen = new(steps: 1, () => told++);
        Steps("cpu", seen, steps: 4);
        Assert.True(seen.Stopped);
        Assert.Equal((1, 1, 2), (told, seen.Steps.Count, seen.Launches.Count(l => l.Depth == 0)));
    }

    [Fact]
    public void Pictures_are_well_formed()
    {
        Profiler seen = new();
        Steps("cpu", seen, steps: 2);
        XElement roofline = XElement.Parse(RooflineSvg.Render(new Profile(seen, Roof))), memory = XElement.Parse(MemorySvg.Render(seen.Memory));
        XNamespace svg = "http://www.w3.org/2000/svg";
        Assert.Equal(2, roofline.Elements(svg + "circle").Count());
        Assert.NotEmpty(memory.Elements(svg + "polygon"));
        Assert.NotEmpty(XElement.Parse(MemorySvg.Render([])).Elements());
    }

    // Steps of one adapted layer and an addition, on a device of their own; returns the most memory that it held.
    static long Steps(string name, IDeviceObserver observer, int steps)
    {
        using Device device = Device.Open(name, 2, ConvAlgorithm.Direct, observer);
        using (Arena arena = new(device, 1 << 16))
        {
            for (int i = 0; i < steps; i++)
            {
                Tape tape = new(arena, recording: false);
                Tensor x = Filled(tape, [4, 8]), w = Filled(tape, [16, 8]), a = Filled(tape, [2, 8]), b = Filled(tape, [16, 2]);
                Tensor y = Ops.LoraLinear.Forward(tape, x, w, null, a, b, 1);
                Ops.Add.Forward(tape, y, y);
                arena.Reset();
            }
        }

        return device.PeakBytes;
    }

    static Tensor Filled(Tape tape, Shape shape) => tape.From(KernelDevices.Numbers(shape.Count, 1), shape);
}
