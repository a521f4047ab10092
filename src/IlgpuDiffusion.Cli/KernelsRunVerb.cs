using System.CommandLine;
using System.Text.Json;
using IlgpuDiffusion.Cli.Shell;
using IlgpuDiffusion.Diagnostics.Profiling;
using IlgpuDiffusion.Kernels.Trials;
using IlgpuDiffusion.Tensors;

namespace IlgpuDiffusion.Cli;

/// `ilgd kernels run NAME`
sealed class KernelsRunVerb : Verb
{
    static readonly JsonSerializerOptions Layout = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true };

    readonly Argument<string> name;
    readonly Option<string?> shape;
    readonly Option<string?> version;
    readonly DeviceOptions device;
    readonly Option<bool> json;

    public KernelsRunVerb()
        : base(
            "run",
            "Run one operation on random numbers: against its reference, then timed beside the machine's measured roof; on ptx-sim counted instead.",
            """
            ilgd kernels run GroupNorm.Forward --shape P=4096,C=320,G=32 --threads 1
            ilgd kernels run MatMul.Forward --version V2 --device ptx-sim
            ilgd kernels run "Unary.Forward<Silu>" --shape N=1000000 --json
            """)
    {
        name = Argument("NAME", "A kernel's name as `ilgd kernels list` prints it; a part of an operation runs the whole.");
        shape = Option<string?>("--shape", "Sizes, those not named are the standard small ones.", "M=64,K=128");
        version = Option<string?>("--version", "Its version. [default: what the launcher chooses for the device]", "V");
        device = new DeviceOptions(this);
        json = Option<bool>("--json", "Print the result as JSON.");
    }

    protected override int Run(ParseResult parsed, CancellationToken cancellation)
    {
        TrialEntry trial = KernelRun.Find(parsed.GetValue(name)!, parsed.GetValue(version));
        IReadOnlyDictionary<string, int> sizes = KernelRun.Sizes(trial, parsed.GetValue(shape));
        using Device opened = device.Open(parsed, Observer);
        KernelReport report = KernelRun.Run(trial, sizes, opened);
        TextWriter output = parsed.InvocationConfiguration.Output;
        if (parsed.GetValue(json))
            output.WriteLine(JsonSerializer.Serialize(report, Layout));
        else
            Write(output, report);
        return report.Passed ? 0 : throw new IlgdException($"{report.Operation} {report.Version} is wrong on {report.Device}: its error exceeds the bound");
    }

    static void Write(TextWriter output, KernelReport r)
    {
        output.WriteLine($"{r.Operation} {r.Version}".TrimEnd() + $" on {r.Device}, {string.Join(' ', r.Shape.Select(s => $"{s.Key}={s.Value}"))}");
        foreach (TrialError e in r.Errors)
            output.WriteLine($"  error   {e.Error:E2}, bound {e.Bound:E2}: {(e.Passed ? "right" : "WRONG")}");
        output.WriteLine($"  work    {r.Work.Flops:N0} flops, {r.Work.Bytes:N0} bytes");
        if (r.Time is { } time)
        {
            output.WriteLine($"  time    {time.MedianUs:N1} us, spread {time.SpreadUs:N1}");
            output.WriteLine($"  speed   {r.GFlopsPerSecond:N2} GFLOP/s, {r.GBytesPerSecond:N2} GB/s: {r.ShareOfRoof:P0} of the roof");
            output.WriteLine($"  roof    {r.Roof!.FlopsPerSecond / 1e9:N1} GFLOP/s (multiply-adds in registers), {r.Roof.BytesPerSecond / 1e9:N1} GB/s (triad), both measured now");
        }

        foreach (KernelCounts c in r.Counts)
        {
            output.WriteLine($"  counts  {c.Kernel}");
            output.WriteLine($"    instructions  {c.Instructions.Values.Sum():N0}: {string.Join(", ", c.Instructions.Select(i => $"{i.Key.ToLowerInvariant()} {i.Value:N0}"))}");
            output.WriteLine($"    global        {c.GlobalLoads:N0} loads of {c.SectorsPerLoad:N2} sectors, {c.GlobalStores:N0} stores of {c.SectorsPerStore:N2}");
            output.WriteLine($"    shared        {c.BankConflicts:N0} bank conflicts; {c.Barriers:N0} barriers, {c.Divergences:N0} divergent branches");
        }
    }
}
