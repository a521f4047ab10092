using System.Diagnostics;
using System.Text.RegularExpressions;
using IlgpuDiffusion.Kernels.Common;
using IlgpuDiffusion.Kernels.Simulation;

namespace IlgpuDiffusion.Tests.Simulation;

/// What NVIDIA's assembler says of every kernel's text, where there is one on PATH (Debian: nvidia-cuda-toolkit, non-free): a text that it refuses would be refused by a driver too.
public sealed partial class PtxasTests : IDisposable
{
    readonly PtxSimulator simulator = new();
    readonly string folder = Directory.CreateTempSubdirectory("ilgd-ptxas-").FullName;

    [Fact]
    public void Ptxas_takes_every_text_and_needs_no_stack()
    {
        Version? version = Version();
        Assert.SkipWhen(version is null, "no ptxas is on PATH; on Debian: apt-get install nvidia-cuda-toolkit, of the component non-free");
        List<string> complaints = [];
        foreach (KernelEntry kernel in KernelCatalog.All)
        {
            string text = Path.Combine(folder, "kernel.ptx"), ptx = simulator.Kernel(kernel.Method).Text;
            // ILGPU writes ISA 8.0, that of CUDA 12.0; what our kernels use is older.
            File.WriteAllText(text, version!.Major < 12 ? IsaVersion().Replace(ptx, $".version 7.{version.Minor}") : ptx);
            foreach (string target in (string[])["sm_80", "sm_90"])
            {
                string said = Run("ptxas", "-v", $"-arch={target}", "-o", Path.Combine(folder, "kernel.cubin"), text);
                Match registers = Registers().Match(said);
                TestContext.Current.TestOutputHelper!.WriteLine($"{kernel.Name} {kernel.Version}: {registers.Value} on {target}");
                if (!registers.Success || !said.Contains("0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads", StringComparison.Ordinal))
                    complaints.Add($"{kernel.Name} {kernel.Version} on {target}: {said}");
            }
        }

        Assert.Empty(complaints);
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

    // All that it printed.
    static string Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string said = process.StandardOutput.ReadToEnd() + error.GetAwaiter().GetResult();
        process.WaitForExit();
        return said;
    }

    [GeneratedRegex(@"release (\d+\.\d+)")]
    private static partial Regex Release();

    [GeneratedRegex(@"\.version \d+\.\d+")]
    private static partial Regex IsaVersion();

    [GeneratedRegex(@"Used (\d+) registers")]
    private static partial Regex Registers();
}
