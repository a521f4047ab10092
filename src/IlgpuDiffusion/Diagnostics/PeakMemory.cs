using System.Diagnostics;

namespace IlgpuDiffusion.Diagnostics;

/// The most memory this process has held so far, in bytes.
public static class PeakMemory
{
    const string Status = "/proc/self/status";

    public static long Bytes()
    {
        // .NET's own number is 0 on some Linux kernels; the kernel's is in kB.
        if (File.Exists(Status) && File.ReadLines(Status).FirstOrDefault(l => l.StartsWith("VmHWM:", StringComparison.Ordinal)) is { } line)
            return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]) * 1024;
        using Process self = Process.GetCurrentProcess();
        return self.PeakWorkingSet64;
    }
}
