using System.Reflection;
using IlgpuDiffusion.Diagnostics.Profiling;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Simulation;
using IlgpuDiffusion.Kernels.Trials;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Tests;

/// Every operation by itself, found by reflection (TrialCatalog): a new one is in as soon as its trial is written, and one without a trial fails here.
public sealed class EveryTrialTests(Devices devices) : DeviceTest(devices)
{
    public static TheoryData<string, string> Trials
    {
        get
        {
            TheoryData<string, string> data = [];
            foreach (TrialEntry trial in TrialCatalog.All)
            {
                foreach (string device in trial.UsesTensorCores ? ["ptx-sim"] : trial.Version.Length > 0 ? ["cpu-sim", "ptx-sim", "opencl"] : (string[])["cpu", "cpu f2", "cpu f4", "cpu-sim", "ptx-sim", "opencl"])
                {
                    // Winograd's algorithms are a convolution's alone.
                    if (!device.Contains(' ', StringComparison.Ordinal) || trial.Name.StartsWith("Conv2d", StringComparison.Ordinal))
                        data.Add($"{trial.Name} {trial.Version}".TrimEnd(), device);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Trials))]
    public void Matches_its_reference_and_says_what_it_works(string name, string device)
    {
        TrialEntry entry = TrialCatalog.All.Single(t => $"{t.Name} {t.Version}".TrimEnd() == name);
        Device on = Device(device);
        Launches seen = new();
        using Trial trial = new(entry, on.Kernels, entry.Sizes);
        on.Kernels.Observer = seen;
        IReadOnlyList<TrialError> errors = trial.Check();
        on.Kernels.Observer = null;
        Assert.NotEmpty(errors);
        Assert.All(errors, e => Assert.True(e.Passed, $"error {e.Error:E2} exceeds {e.Bound:E2}"));
        Assert.NotEmpty(seen.Outermost);
        Assert.All(seen.Outermost, l => Assert.StartsWith(name.Split('.')[0] + ".", l.Operation, StringComparison.Ordinal));
        Assert.All(seen.Outermost, l => Assert.True(l.Work is { Bytes: > 0, Flops: >= 0 }, $"{l.Operation} says {l.Work}"));
        Assert.Equal(0, seen.Depth);
    }

    /// What `ptx-sim` is said to check, it ran: every kernel that becomes PTX was interpreted in its operation's trial, but for pairs of operands that no launcher makes.
    [Fact]
    public void Every_kernel_with_ptx_was_interpreted()
    {
        HashSet<MethodInfo> ran = [];
        foreach (TrialEntry entry in TrialCatalog.All)
        {
            KernelContext kernels = Device("ptx-sim").Kernels;
            using Trial trial = new(entry, kernels, entry.Sizes);
            kernels.Simulator!.Clear();
            trial.Launch();
            ran.UnionWith(kernels.Simulator.Counters.Keys);
            // What is said to run in a trial does.
            Assert.All(
                KernelCatalog.All.Where(k => k.Devices.Contains("ptx-sim") && TrialCatalog.Of(k) == entry),
                k => Assert.True(kernels.Simulator.Counters.ContainsKey(k.Method), $"{k.Name} {k.Version} did not run in {entry.Name} {entry.Version}"));
        }

        string[] missing = [.. KernelCatalog.All.Where(k => !ran.Contains(k.Method)).Select(k => k.Name)];
        Assert.All(missing, m => Assert.True(TrialCatalog.Of(KernelCatalog.All.First(k => k.Name == m)) is null, $"{m} was not interpreted"));
        Assert.All(missing, m => Assert.Matches("^(MatMul|LoraLinear).Forward<", m));
        // 36 pairs for the product and 6 operands for the layer are possible; 4 plain and 3 gathered pairs, and 2 operands, are made.
        Assert.Equal(36 - 7 + 6 - 2, missing.Length);
    }

    [Fact]
    public void A_wrong_result_is_found()
    {
        TrialEntry entry = TrialCatalog.All.Single(t => t.Name == "Add.Forward");
        using Trial trial = new(entry, Device("cpu").Kernels, entry.Sizes);
        Floats y = trial.Result(10, Trial.Exact);
        trial.Run(() => { }, () => y.Host[3] = 1);
        Assert.Contains(trial.Check(), e => !e.Passed);
    }

    [Theory]
    [InlineData("no kernel is named 'Add'", "Add", null, null, "cpu")]
    [InlineData("no launcher makes this pair of operands", "MatMul.Forward<Windows, Windows>", "TensorCore", null, "ptx-sim")]
    [InlineData("'Z=3' is no size of Add.Forward; expected N=1000", "Add.Forward", null, "Z=3", "cpu")]
    [InlineData("leave --version out", "MatMul.Forward", "V2", null, "cpu")]
    [InlineData("it is for ptx-sim and cuda", "Conv2d.Forward", "TensorCore", null, "cpu-sim")]
    [InlineData("must be multiples of 8", "Conv2d.Forward", "TensorCore", "C=3", "ptx-sim")]
    public void What_cannot_be_run_says_why(string message, string name, string? version, string? shape, string device)
    {
        IlgdException e = Assert.Throws<IlgdException>(() =>
        {
            TrialEntry trial = KernelRun.Find(name, version);
            KernelRun.Run(trial, KernelRun.Sizes(trial, shape), Device(device));
        });
        Assert.Contains(message, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Counts_are_those_of_one_launch()
    {
        TrialEntry trial = KernelRun.Find("Unary.Forward<Relu>", null);
        KernelReport report = KernelRun.Run(trial, KernelRun.Sizes(trial, "N=128"), Device("ptx-sim"));
        KernelCounts counts = Assert.Single(report.Counts);
        Assert.Equal((4, 4.0, 4, 4.0, 0), (counts.GlobalLoads, counts.SectorsPerLoad, counts.GlobalStores, counts.SectorsPerStore, counts.Barriers));
        Assert.Equal(4, counts.Instructions["Global"] - counts.GlobalStores);
        Assert.Null(report.Time);
    }

    sealed class Launches : ILaunchObserver
    {
        public List<(string Operation, Work Work)> Outermost { get; } = [];

        public int Depth { get; private set; }

        public long Launch => 0;

        public void Begin(string operation, string shape, Work work)
        {
            if (Depth++ == 0)
                Outermost.Add((operation, work));
        }

        public void End() => Depth--;

        public void Ran(long launch, int thread, long begin, long end)
        {
        }

        public void Compiled(MethodInfo kernel, long ticks)
        {
        }
    }
}
