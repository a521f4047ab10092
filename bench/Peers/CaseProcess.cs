using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using IlgpuDiffusion.Diagnostics.Profiling;
using IlgpuDiffusion.Kernels.Common;
using Device = IlgpuDiffusion.Tensors.Device;

namespace IlgpuDiffusion.Peers;

/// A case in a process of its own. In one that had held gigabytes for an earlier case libtorch's small operations took ten times as long as by themselves, and every later ratio flattered us.
static class CaseProcess
{
    /// Names the one case that a process is for; its row goes to standard output.
    public const string Option = "--case";

    // glibc gives freed memory back to the system and gets it again page by page, which costs libtorch up to half of its time and us nothing: we keep ours.
    static readonly (string Name, string Value)[] KeepPages =
        [("MALLOC_MMAP_THRESHOLD_", "4000000000"), ("MALLOC_TRIM_THRESHOLD_", "8000000000"), ("MALLOC_TOP_PAD_", "268435456")];

    /// Errors: the process's own, which it has printed.
    public static PeerRow Run(PeerCase of, int threads, ConvAlgorithm conv)
    {
        ProcessStartInfo start = new(Environment.ProcessPath!) { RedirectStandardOutput = true };
        foreach (string argument in (ReadOnlySpan<string>)[Option, of.Title, "--threads", threads.ToString(CultureInfo.InvariantCulture), "--conv", $"{conv}"])
            start.ArgumentList.Add(argument);
        foreach ((string name, string value) in KeepPages)
            start.Environment[name] = value;
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? JsonSerializer.Deserialize<PeerRow>(output)! : throw new IlgdException($"{of.Title}: its process ended with {process.ExitCode}");
    }

    public static void Report(PeerCase of, int threads, ConvAlgorithm conv)
    {
        Libtorch.Load(threads);
        Device opened = Device.Open("cpu", threads, conv);
        // A case that fails has not given its buffers back, which the device would complain of instead.
        Pair prepared = of.Prepare(opened);
        using Device device = opened;
        using Pair pair = prepared;
        (Timing ours, Timing peer) = Timing.Of(pair.Ours, pair.Peer);
        WorkMeter meter = new();
        device.Kernels.Observer = meter;
        pair.Ours();
        device.Kernels.Observer = null;
        Console.WriteLine(JsonSerializer.Serialize(PeerRow.Of(of, ours, peer, meter.Work, () => MachineRoof.Measure(device))));
    }
}
