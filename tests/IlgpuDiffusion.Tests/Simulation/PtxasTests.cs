using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Simulation;

namespace IlgpuDiffusion.Tests.Simulation;

/// What NVIDIA's assembler says of every kernel's text, where there is one on PATH (Debian: nvidia-cuda-toolkit, non-free): a text that it refuses would be refused by a driver too.
public sealed partial class PtxasTests : IDisposable
{
    // A thread has no more; a kernel that asks for more spills.
    const int MostRegisters = 255;

    readonly PtxSimulator simulator = new();
    readonly string folder = Directory.CreateTempSubdirectory("ilgd-ptxas-").FullName;

    public static TheoryData<string> Names => [.. KernelCatalog.All.Select(Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Ptxas_takes_the_text_and_needs_no_stack(string name)
    {
        Version? version = Version();
        Assert.SkipWhen(version is null, "no ptxas is on PATH; on Debian: apt-get install nvidia-cuda-toolkit, of the component non-free");
        PtxKernel kernel = simulator.Kernel(KernelCatalog.All.Single(k => Name(k) == name).Method);
        string text = Path.Combine(folder, "kernel.ptx");
        // ILGPU writes ISA 8.0, that of CUDA 12.0; what our kernels use is older.
        File.WriteAllText(text, version!.Major < 12 ? IsaVersion().Replace(kernel.Text, $".version 7.{version.Minor}") : kernel.Text);
        foreach (string target in (string[])["sm_80", "sm_90"])
        {
            string said = Run("ptxas", "-v", $"-arch={target}", "-o", Path.Combine(folder, "kernel.cubin"), text) ?? "";
            Assert.Matches("0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads", said);
            int registers = int.Parse(Registers().Match(said).Groups[1].Value, CultureInfo.InvariantCulture);
            Assert.InRange(registers, 1, MostRegisters);
            TestContext.Current.TestOutputHelper!.WriteLine($"{name}: {registers} registers on {target}");
        }
    }

    public void Dispose()
    {
        simulator.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    static Version? Version()
    {
        try
        {
            return System.Version.Parse(Release().Match(Run("ptxas", "--version")).Groups[1].Value);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    // What it printed; fails where it failed.
    static string Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string said = process.StandardOutput.ReadToEnd() + error.GetAwaiter().GetResult();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, said);
        return said;
    }

    static string Name(KernelEntry kernel) => $"{kernel.Name} {kernel.Version}";

    [GeneratedRegex(@"release (\d+\.\d+)")]
    private static partial Regex Release();

    [GeneratedRegex(@"\.version \d+\.\d+")]
    private static partial Regex IsaVersion();

    [GeneratedRegex(@"Used (\d+) registers")]
    private static partial Regex Registers();
}
